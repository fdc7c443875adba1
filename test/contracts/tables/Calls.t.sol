// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../../../contracts/src/interfaces/IRollups.sol";
import {Stage} from "./Stage.sol";

/// @notice Calls that cross chains and come back.
contract CallsTest is Stage {
    function testL1CallsARollup() public {
        address door = proxy(B, ONE);
        Action memory action = fromL1(address(a), ONE, B, 3 ether, "buy");
        post(list(entry(action, 0, 1, result(ONE, L1, "bought", TOP))));
        a.willCall(door, 3 ether, "buy");
        vm.deal(address(a), 3 ether);
        run();
        heard(a, 0, "bought");
        isAt(ONE, 1);
        holds(ONE, 3 ether);
        eq(address(registry).balance, 3 ether);
        eq(waits(action, 0), 0);
    }

    function testConsumedEntriesAreToldInOrder() public {
        address door = proxy(B, ONE);
        Action memory action = fromL1(address(a), ONE, B, 0, "x");
        Action memory out = callOut(ONE, B, L1, address(c), 0, "y", frame(0));
        Action memory back = result(L1, ONE, "", frame(0));
        post(list(entry(action, 0, 1, out), entry(back, 1, 2, result(ONE, L1, "", TOP))));
        a.willCall(door, 0, "x");
        vm.expectEmit(address(registry));
        emit IRollups.Consumed(keccak256(abi.encode(action)), ONE, root(ONE, 0), root(ONE, 1));
        vm.expectEmit(address(registry));
        emit IRollups.Consumed(keccak256(abi.encode(back)), ONE, root(ONE, 1), root(ONE, 2));
        run();
    }

    function testRollupCallsL1() public {
        fund(ONE, 5 ether);
        address door = proxy(B, ONE);
        Action memory out = callOut(ONE, B, L1, address(c), 2 ether, "pay", frame(0));
        Action memory back = result(L1, ONE, "paid", frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "withdraw"), 0, 1, out),
                entry(back, 1, 2, result(ONE, L1, "done", TOP))
            )
        );
        a.willCall(door, 0, "withdraw");
        c.willAnswer("paid");
        run();
        saw(c, 0, door, 2 ether, "pay");
        heard(a, 0, "done");
        isAt(ONE, 2);
        holds(ONE, 3 ether);
        eq(address(c).balance, 2 ether);
        eq(address(registry).balance, 3 ether);
    }

    /// The seed's table: A on L1 calls B on rollup 2, which calls C on L1, and back.
    function testNestedCallTakesExactlyTwoEntries() public {
        Action memory call = fromL1(address(a), TWO, B, 0, "ab");
        Action memory out = callOut(TWO, B, L1, address(c), 0, "bc", frame(0));
        Action memory back = result(L1, TWO, "cb", frame(0));
        Entry[] memory entries =
            list(entry(call, 0, 1, out), entry(back, 1, 2, result(TWO, L1, "ba", TOP)));
        eq(entries.length, 2);
        post(entries);
        a.willCall(proxy(B, TWO), 0, "ab");
        c.willAnswer("cb");
        run();
        saw(c, 0, proxy(B, TWO), 0, "bc");
        heard(a, 0, "ba");
        isAt(TWO, 2);
        eq(waits(call, 0), 0);
        eq(waits(back, 1), 0);
    }

    function testRollupCallsL1ForAProxyThatWasNotMadeYet() public {
        Action memory out = callOut(ONE, D, L1, address(c), 0, "hello", frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "x"), 0, 1, out),
                entry(result(L1, ONE, "", frame(0)), 1, 2, result(ONE, L1, "", TOP))
            )
        );
        eq(registry.proxyOf(D, ONE).code.length, 0);
        a.willCall(proxy(B, ONE), 0, "x");
        run();
        saw(c, 0, registry.proxyOf(D, ONE), 0, "hello");
    }

    /// A calls rollup 1, which calls C on L1, which asks rollup 2: the answer travels back through
    /// C into rollup 1's root.
    function testResultOfRollupTwoChangesTheRootOfRollupOne() public {
        Action memory ask = fromL1(address(c), TWO, D, 0, "price");
        Action memory out = callOut(ONE, B, L1, address(c), 0, "ask", frame(0));
        Action memory back = result(L1, ONE, "7", frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "go"), 0, 1, out),
                entry(ask, 0, 1, result(TWO, L1, "7", TOP)),
                entry(back, 1, 7, result(ONE, L1, "got 7", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "go");
        c.willCall(proxy(D, TWO), 0, "price");
        c.willAnswer("7");
        run();
        heard(c, 0, "7");
        heard(a, 0, "got 7");
        isAt(ONE, 7);
        isAt(TWO, 1);
    }

    /// The same table does not serve another answer of rollup 2's.
    function testRootOfRollupOneDoesNotMoveWithoutTheResult() public {
        Action memory out = callOut(ONE, B, L1, address(c), 0, "ask", frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "go"), 0, 1, out),
                entry(result(L1, ONE, "7", frame(0)), 1, 7, result(ONE, L1, "got 7", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "go");
        c.willAnswer("8");
        runFails(missing(result(L1, ONE, "8", frame(0)), root(ONE, 1)));
        isAt(ONE, 0);
    }

    function testRollupCallsARollupWithoutL1Between() public {
        Action memory call = fromL1(address(a), ONE, B, 2 ether, "ab");
        Action memory out = callOut(ONE, B, TWO, D, 2 ether, "bd", frame(0));
        Action memory back = result(TWO, ONE, "db", frame(0));
        post(
            list(
                entry(call, 0, 1, out),
                entry(out, 0, 1, back),
                entry(back, 1, 2, result(ONE, L1, "ba", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 2 ether, "ab");
        vm.deal(address(a), 2 ether);
        run();
        heard(a, 0, "ba");
        isAt(ONE, 2);
        isAt(TWO, 1);
        holds(ONE, 0);
        holds(TWO, 2 ether);
        eq(address(registry).balance, 2 ether);
    }

    /// An entry of two deltas: what one rollup sends, the other has in the same step.
    function testOneEntryMovesTwoRollups() public {
        fund(ONE, 5 ether);
        Entry memory it =
            entry(fromL1(address(a), ONE, B, 0, "send"), 0, 1, result(ONE, L1, "sent", TOP));
        StateDelta memory first = delta(ONE, 0, 1, -2 ether);
        StateDelta memory second = delta(TWO, 0, 1, 2 ether);
        (first.sent, second.received) = (bytes32(uint256(77)), bytes32(uint256(77)));
        it.deltas = new StateDelta[](2);
        (it.deltas[0], it.deltas[1]) = (first, second);
        post(list(it));
        a.willCall(proxy(B, ONE), 0, "send");
        run();
        isAt(ONE, 1);
        isAt(TWO, 1);
        holds(ONE, 3 ether);
        holds(TWO, 2 ether);
    }

    function testSecondRollupOfAnEntryMustBeAtItsRootToo() public {
        Entry memory it =
            entry(fromL1(address(a), ONE, B, 0, "send"), 0, 1, result(ONE, L1, "sent", TOP));
        StateDelta[] memory deltas = new StateDelta[](2);
        (deltas[0], deltas[1]) = (it.deltas[0], delta(TWO, 5, 6, 0));
        it.deltas = deltas;
        post(list(it));
        a.willCall(proxy(B, ONE), 0, "send");
        runFails(
            abi.encodeWithSelector(IRollups.WrongRoot.selector, TWO, root(TWO, 5), root(TWO, 0))
        );
        isAt(ONE, 0);
    }

    function testThreeRollupsMoveTogether() public {
        post(threeRollups());
        a.willCall(proxy(B, ONE), 1 ether, "ab");
        vm.deal(address(a), 1 ether);
        run();
        heard(a, 0, "ba");
        isAt(ONE, 2);
        isAt(TWO, 2);
        isAt(THREE, 1);
        holds(THREE, 1 ether);
        holds(ONE, 0);
        holds(TWO, 0);
    }

    function testThreeRollupsMoveTogetherOrNotAtAll() public {
        Entry[] memory entries = threeRollups();
        entries[4].action = result(TWO, ONE, "never said", frame(0));
        post(entries);
        a.willCall(proxy(B, ONE), 1 ether, "ab");
        vm.deal(address(a), 1 ether);
        runFails(missing(result(TWO, ONE, "db", frame(0)), root(ONE, 1)));
        isAt(ONE, 0);
        isAt(TWO, 0);
        isAt(THREE, 0);
        eq(address(a).balance, 1 ether);
        eq(waits(entries[0].action, 0), 1);
        eq(waits(entries[3].action, 1), 1);
    }

    /// Rollup 1 calls 2, which calls 3, and back.
    function threeRollups() private view returns (Entry[] memory entries) {
        Action memory bd = callOut(ONE, B, TWO, D, 1 ether, "bd", frame(0));
        Action memory de = callOut(TWO, D, THREE, E, 1 ether, "de", frame(0, 0));
        Action memory ed = result(THREE, TWO, "ed", frame(0, 0));
        Action memory db = result(TWO, ONE, "db", frame(0));
        entries =
            list(entry(fromL1(address(a), ONE, B, 1 ether, "ab"), 0, 1, bd), entry(bd, 0, 1, de));
        entries = and(and(entries, entry(de, 0, 1, ed)), entry(ed, 1, 2, db));
        entries = and(entries, entry(db, 1, 2, result(ONE, L1, "ba", TOP)));
    }

    function testTransactionOfARollupCallsL1() public {
        fund(ONE, 1 ether);
        Action memory out = callOut(ONE, B, L1, address(c), 1 ether, "pay", frame(0));
        Action memory back = result(L1, ONE, "thanks", frame(0));
        post(
            list(
                entry(ownTransaction(ONE, B, "signed"), 0, 1, out),
                entry(back, 1, 2, result(ONE, L1, "done", TOP))
            )
        );
        c.willAnswer("thanks");
        stageVm.prank(user, user);
        same(registry.executeL2TX(ONE, B, "signed"), "done");
        saw(c, 0, registry.proxyOf(B, ONE), 1 ether, "pay");
        isAt(ONE, 2);
        holds(ONE, 0);
    }

    function testTransactionOfARollupThatFailsReverts() public {
        Action memory action = ownTransaction(ONE, B, "signed");
        post(list(entry(action, 0, 1, failure(ONE, L1, "why", 0, TOP))));
        vm.expectRevert(abi.encodeWithSelector(IRollups.CallFailed.selector, bytes("why")));
        stageVm.prank(user, user);
        registry.executeL2TX(ONE, B, "signed");
        isAt(ONE, 0);
    }

    /// Twice the same question, twice the same answer, nothing written between: each call takes its
    /// own entry.
    function testTwoReadsWithTheSameAnswer() public {
        Action memory read = fromL1(address(a), ONE, B, 0, "balance");
        Entry memory it = entry(read, 0, 0, result(ONE, L1, "42", TOP));
        post(list(it, it));
        eq(waits(read, 0), 2);
        address door = proxy(B, ONE);
        a.willCall(door, 0, "balance");
        a.willCall(door, 0, "balance");
        run();
        heard(a, 0, "42");
        heard(a, 1, "42");
        eq(waits(read, 0), 0);
        runFails(missing(read, root(ONE, 0)));
    }

    /// Equal entries are taken in the order of the table.
    function testEqualKeysAreAQueue() public {
        Action memory read = fromL1(address(a), ONE, B, 0, "next");
        post(
            list(
                entry(read, 0, 0, result(ONE, L1, "first", TOP)),
                entry(read, 0, 0, result(ONE, L1, "second", TOP))
            )
        );
        address door = proxy(B, ONE);
        a.willCall(door, 0, "next");
        a.willCall(door, 0, "next");
        run();
        heard(a, 0, "first");
        heard(a, 1, "second");
    }

    /// A rollup approves, then swaps: both answer true, no root moves; the scope tells them apart.
    function testApproveThenSwapWithTheSameAnswer() public {
        Action memory approve = callOut(ONE, B, L1, address(c), 0, "approve", frame(0));
        Action memory swap = callOut(ONE, B, L1, address(c), 0, "swap", frame(1));
        bytes memory yes = abi.encode(true);
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "trade"), 0, 0, approve),
                entry(result(L1, ONE, yes, frame(0)), 0, 0, swap),
                entry(result(L1, ONE, yes, frame(1)), 0, 1, result(ONE, L1, "traded", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "trade");
        c.willAnswer(yes);
        run();
        eq(c.calls(), 2);
        saw(c, 0, proxy(B, ONE), 0, "approve");
        saw(c, 1, proxy(B, ONE), 0, "swap");
        heard(a, 0, "traded");
        isAt(ONE, 1);
    }

    function testProxyIsMadeOnceByAnyone(address original, uint64 rollupId) public {
        rollupId = uint64(bound(rollupId, ONE, THREE));
        address expected = registry.proxyOf(original, rollupId);
        vm.prank(stranger);
        eq(registry.createProxy(original, rollupId), expected);
        eq(registry.createProxy(original, rollupId), expected);
        eq(expected.code.length != 0, true);
    }
}
