// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups, ITableVenue} from "../../../contracts/src/interfaces/IRollups.sol";
import {Puppet} from "./Puppet.sol";
import {Stage} from "./Stage.sol";

/// @dev The registry's frame, which is nobody else's to open.
interface IFrames {
    function runScope(uint256 scope, IRollups.Action calldata action) external;
}

/// @notice Passes every call on, and what comes back.
contract Link {
    address private immutable _next;

    constructor(address next) {
        _next = next;
    }

    fallback() external {
        (bool ok, bytes memory data) = _next.call(msg.data);
        assembly {
            if iszero(ok) { revert(add(data, 32), mload(data)) }
            return(add(data, 32), mload(data))
        }
    }
}

/// @notice Has work to do for a million gas, and no reason to fail.
contract Worker {
    fallback() external {
        uint256 gasBefore = gasleft();
        while (gasBefore - gasleft() < 1_000_000) {}
    }
}

/// @notice Contracts and tables that mean harm. The proofs are good: each rollup's program speaks
/// for itself, and may lie about itself alone.
contract MaliceTest is Stage {
    bytes32 private constant TIE = "what happened";

    /// @dev A calls B on rollup 1, which calls C on L1; C answers nothing.
    function throughC() private returns (Entry[] memory) {
        a.willCall(proxy(B, ONE), 0, "ab");
        Action memory out = callOut(ONE, B, L1, address(c), 0, "bc", frame(0));
        return list(
            entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, out),
            entry(result(L1, ONE, "", frame(0)), 1, 2, result(ONE, L1, "ba", TOP))
        );
    }

    /// While B waits for C, C calls B again: it is a call like any other, at the root of one who
    /// waits, and needs an entry of its own.
    function testReenteringARollupIsACallOfItsOwn() public {
        Entry[] memory entries = throughC();
        Action memory again = fromL1(address(c), ONE, B, 0, "ab");
        entries[1] = entry(result(L1, ONE, "", frame(0)), 5, 6, result(ONE, L1, "ba", TOP));
        post(and(entries, entry(again, 1, 5, result(ONE, L1, "nested", TOP))));
        c.willCall(proxy(B, ONE), 0, "ab");
        run();
        heard(c, 0, "nested");
        heard(a, 0, "ba");
        isAt(ONE, 6);
    }

    /// C calls B again and there is no entry for it; the one A's call took does not serve twice.
    function testReenteringARollupTakesNoEntryTwice() public {
        post(throughC());
        c.willCall(proxy(B, ONE), 0, "ab");
        runFails(missing(fromL1(address(c), ONE, B, 0, "ab"), root(ONE, 1)));
        isAt(ONE, 0);
    }

    /// An L2TX from inside a call, for which the table has an entry at that root: it may run, and
    /// the answer B waits for is no longer B's to take.
    function testTransactionOfARollupInsideACallMovesItsRoot() public {
        Entry[] memory entries = throughC();
        post(and(entries, entry(ownTransaction(ONE, D, "x"), 1, 4, result(ONE, L1, "", TOP))));
        c.willCall(address(registry), 0, abi.encodeCall(IRollups.executeL2TX, (ONE, D, "x")));
        runFails(missing(result(L1, ONE, "", frame(0)), root(ONE, 4)));
        isAt(ONE, 0);
    }

    function testOwnerIsRefusedWhileASessionRuns() public {
        vm.prank(owner);
        registry.setOwner(ONE, address(c));
        Entry[] memory entries = throughC();
        entries[1].action =
            result(L1, ONE, abi.encodeWithSelector(IRollups.Busy.selector), frame(0));
        bytes[3] memory orders = [
            abi.encodeCall(IRollups.setRoot, (ONE, root(ONE, 8))),
            abi.encodeCall(IRollups.setProgram, (ONE, address(this), PROGRAM)),
            abi.encodeCall(IRollups.setOwner, (ONE, stranger))
        ];
        for (uint256 i = 0; i < orders.length; i++) {
            c.willTry(address(registry), 0, orders[i]);
        }
        c.willAnswer(abi.encodeWithSelector(IRollups.Busy.selector));
        post(entries);
        run();
        for (uint256 i = 0; i < orders.length; i++) {
            heardFailure(c, i, abi.encodeWithSelector(IRollups.Busy.selector));
        }
        isAt(ONE, 2);
        // And not a moment longer.
        vm.prank(address(c));
        registry.setRoot(ONE, root(ONE, 8));
    }

    function testNobodyPassesOnACallButAProxy() public {
        vm.expectRevert(abi.encodeWithSelector(IRollups.NotProxy.selector, stranger));
        vm.prank(stranger);
        registry.executeCall(user, "forged");
    }

    /// A contract that looks like a proxy and was not made by this registry.
    function testProxyOfAnotherRegistryIsNone() public {
        IRollups first = registry;
        registry = deployRegistry();
        address alien = proxy(B, ONE);
        vm.expectRevert(abi.encodeWithSelector(IRollups.NotProxy.selector, alien));
        vm.prank(alien);
        first.executeCall(user, "forged");
    }

    function testFramesAreTheRegistrysOwn() public {
        (bool ok, bytes memory data) =
            address(registry).call(abi.encodeCall(IFrames.runScope, (TOP, throughC()[0].next)));
        eq(ok, false);
        same(data, abi.encodeWithSelector(IRollups.OnlySelf.selector));
    }

    /// B calls the registry through its own proxy, to say that the user called rollup 2. The call
    /// fails; nothing of it is consumed.
    function testRollupCannotForgeAnL1Caller() public {
        Action memory forged = fromL1(user, TWO, D, 0, "send all to me");
        bytes memory data = abi.encodeCall(IRollups.executeCall, (user, "send all to me"));
        Action memory out = callOut(ONE, D, L1, address(registry), 0, data, frame(0));
        Action memory back = failure(L1, ONE, "", 0, frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, out),
                entry(back, 1, 2, result(ONE, L1, "refused", TOP)),
                entry(forged, 0, 1, result(TWO, L1, "", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "ab");
        run();
        heard(a, 0, "refused");
        isAt(ONE, 2);
        isAt(TWO, 0);
        eq(waits(forged, 0), 1);
    }

    /// Nor can it by asking its own proxy, or another's, to do it on its behalf.
    function testProxyActsOnBehalfForTheRegistryAlone() public {
        address door = proxy(B, ONE);
        bytes memory data =
            abi.encodeWithSignature("executeOnBehalf(address,bytes)", address(c), bytes("steal"));
        a.willCall(door, 0, data);
        runFails(missing(fromL1(address(a), ONE, B, 0, data), root(ONE, 0)));
        eq(c.calls(), 0);
    }

    /// A rollup that calls its own proxy sends itself a call, plain ether too: it comes to an
    /// entry.
    function testRollupThatCallsItsOwnProxyLosesNothing() public {
        fund(ONE, 2 ether);
        address door = proxy(B, ONE);
        Action memory out = callOut(ONE, B, L1, door, 2 ether, "", frame(0));
        Action memory own = fromL1(door, ONE, B, 2 ether, "");
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, out),
                entry(own, 1, 2, result(ONE, L1, "", TOP)),
                entry(result(L1, ONE, "", frame(0)), 2, 3, result(ONE, L1, "ba", TOP))
            )
        );
        a.willCall(door, 0, "ab");
        run();
        isAt(ONE, 3);
        holds(ONE, 2 ether);
        eq(door.balance, 0);
    }

    /// D on rollup 2 answers A in the place of rollup 1.
    function testRollupCannotAnswerForAnother() public {
        Action memory bd = callOut(ONE, B, TWO, D, 0, "bd", frame(0));
        Action memory lie = result(TWO, L1, "believe me", TOP);
        post(list(entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, bd), entry(bd, 0, 1, lie)));
        a.willCall(proxy(B, ONE), 0, "ab");
        runFails(badAnswer(lie));
        isAt(ONE, 0);
        isAt(TWO, 0);
    }

    /// Nor name another as the one who answers: no table with such an entry is posted.
    function testEntryThatSpeaksForAnotherRollupIsNotPosted() public {
        Table memory t = tableOf(
            list(entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, result(TWO, L1, "", TOP)))
        );
        postFails(t, nextFault());
    }

    function nextFault() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IRollups.BadEntry.selector, 0, IRollups.EntryFault.NEXT);
    }

    /// E on rollup 3, called by D, answers B's call to D.
    function testRollupCannotAnswerACallThatWasNotMadeToIt() public {
        Action memory bd = callOut(ONE, B, TWO, D, 0, "bd", frame(0));
        Action memory de = callOut(TWO, D, THREE, E, 0, "de", frame(0, 0));
        Action memory lie = result(THREE, ONE, "from D, really", frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, bd),
                entry(bd, 0, 1, de),
                entry(de, 0, 1, lie)
            )
        );
        a.willCall(proxy(B, ONE), 0, "ab");
        runFails(badAnswer(lie));
    }

    /// D reverts the frame B's call opened: what comes back would be as D says.
    function testRollupCannotRevertAFrameAnotherOpened() public {
        Action memory bd = callOut(ONE, B, TWO, D, 2 ether, "bd", frame(0));
        Action memory lie = revertOf(TWO, frame(0), TIE);
        Action memory on = continueOf(TWO, frame(0), TIE, 2 ether);
        post(
            list(
                entry(fromL1(address(a), ONE, B, 2 ether, "ab"), 0, 1, bd),
                entry(bd, 0, 1, lie),
                entry(on, 0, 1, result(TWO, ONE, "", frame(0)))
            )
        );
        a.willCall(proxy(B, ONE), 2 ether, "ab");
        vm.deal(address(a), 2 ether);
        runFails(badAnswer(lie));
        isAt(TWO, 0);
        holds(TWO, 0);
    }

    /// D fails and hands back more, or less, than B sent.
    function testResultThatFailedHandsBackTheCallsValueExactly(uint128 otherWei) public {
        otherWei = uint128(bound(otherWei, 0, 4 ether));
        if (otherWei == 2 ether) otherWei++;
        fund(TWO, 9 ether);
        Action memory bd = callOut(ONE, B, TWO, D, 2 ether, "bd", frame(0));
        Action memory lie = failure(TWO, ONE, "why", otherWei, frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 2 ether, "ab"), 0, 1, bd),
                entry(bd, 0, 1, lie),
                entry(lie, 1, 2, result(ONE, L1, "", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 2 ether, "ab");
        vm.deal(address(a), 2 ether);
        runFails(badAnswer(lie));
    }

    function testAnswerToL1ThatFailedHandsBackTheCallsValueExactly(uint128 otherWei) public {
        otherWei = uint128(bound(otherWei, 0, 4 ether));
        if (otherWei == 2 ether) otherWei++;
        fund(ONE, 9 ether);
        Action memory lie = failure(ONE, L1, "why", otherWei, TOP);
        post(
            list(
                entry(fromL1(address(a), ONE, B, 2 ether, "ab"), 0, 1, lie),
                entry(tryFromL1(address(a), ONE, B, 2 ether, "ab"), 0, 1, lie)
            )
        );
        a.willCall(proxy(B, ONE), 2 ether, "ab");
        vm.deal(address(a), 2 ether);
        runFails(badAnswer(lie));
        a.forget();
        a.willCall(address(registry), 2 ether, abi.encodeCall(IRollups.tryCall, (B, ONE, "ab")));
        runFails(badAnswer(lie));
        holds(ONE, 9 ether);
    }

    /// An answer with a frame's path is not the session's.
    function testAnswerToL1FromInsideAFrameIsRefused() public {
        Action memory lie = result(ONE, L1, "ba", frame(3));
        Table memory t = tableOf(list(entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, lie)));
        postFails(t, nextFault());
    }

    /// C answers with more than anybody reads: the transaction reverts and does not pay for it.
    function testHugeAnswerOfL1IsRefused() public {
        post(throughC());
        c.willAnswerZeros(200_000);
        uint256 before = gasleft();
        (bool ok, bytes memory data) = attempt(user, 0);
        eq(before - gasleft() < 2_000_000, true);
        eq(ok, false);
        eq(bytes32(bytes4(data)), bytes32(IRollups.BadAnswer.selector));
        isAt(ONE, 0);
    }

    /// C works through many contracts, each of which keeps a 64th of the gas: enough is left to go
    /// on after the last of them ran out. The user has a proof of what B does when C fails, and
    /// chooses the gas.
    function testCallThatRanOutOfGasFarInsideHasNotFailed(uint256 gas_) public {
        address far = address(new Worker());
        for (uint256 i = 0; i < 30; i++) {
            far = address(new Link(far));
        }
        a.willCall(proxy(B, ONE), 0, "ab");
        Action memory out = callOut(ONE, B, L1, far, 0, "bc", frame(0));
        Action memory failed = failure(L1, ONE, "", 0, frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, out),
                entry(failed, 1, 2, result(ONE, L1, "C failed", TOP))
            )
        );
        stageVm.prank(user, user);
        (bool ok,) = address(a).call{gas: bound(gas_, 900_000, 2_000_000)}("act");
        eq(ok, false);
        isAt(ONE, 0);
    }

    function testAnswerOfTheLongestAllowedLengthIsTaken() public {
        Entry[] memory entries = throughC();
        entries[1].action.data = new bytes(4096);
        post(entries);
        c.willAnswerZeros(4096);
        run();
        heard(a, 0, "ba");
    }

    function testAnswerOneByteTooLongIsRefused() public {
        post(throughC());
        c.willAnswerZeros(4097);
        (bool ok, bytes memory data) = attempt(user, 0);
        eq(ok, false);
        eq(bytes32(bytes4(data)), bytes32(IRollups.BadAnswer.selector));
    }

    /// C posts a table in the middle of the transaction; it serves like any other.
    function testTableMayBePostedWhileASessionRuns() public {
        Entry[] memory entries = throughC();
        Entry[] memory rest = list(entries[1]);
        Table memory t = tableOf(rest);
        bytes memory canonical = abi.encode(t);
        c.willCall(
            address(registry),
            0,
            abi.encodeCall(ITableVenue.post, (sha256(canonical), canonical, prove(t)))
        );
        post(list(entries[0]));
        run();
        heard(a, 0, "ba");
        isAt(ONE, 2);
    }
}
