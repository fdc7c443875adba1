// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../../../contracts/src/interfaces/IRollups.sol";
import {Puppet} from "./Puppet.sol";
import {Stage} from "./Stage.sol";

/// @dev Takes three million gas, or all there is.
contract Burner {
    fallback() external payable {
        uint256 start = gasleft();
        while (start - gasleft() < 3_000_000) {}
    }
}

/// @notice What fails is undone, in every rollup and on L1, and nothing else is.
contract RevertsTest is Stage {
    bytes private constant WHY = "why";
    bytes32 private constant TIE = "what happened";

    function testProvenFailureRevertsTheCaller() public {
        Action memory call = fromL1(address(a), ONE, B, 1 ether, "buy");
        post(list(entry(call, 0, 1, failure(ONE, L1, WHY, 1 ether, TOP))));
        a.willTry(proxy(B, ONE), 1 ether, "buy");
        vm.deal(address(a), 1 ether);
        run();
        heardFailure(a, 0, WHY);
        isAt(ONE, 0);
        holds(ONE, 0);
        eq(address(a).balance, 1 ether);
        eq(waits(call, 0), 1);
    }

    /// C on L1, called by B with ether, reverts: B learns why and has its ether back.
    function testRevertInTheInnermostFrame() public {
        fund(ONE, 5 ether);
        Action memory out = callOut(ONE, B, L1, address(c), 2 ether, "pay", frame(0));
        Action memory back = failure(L1, ONE, WHY, 2 ether, frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "go"), 0, 1, out),
                entry(back, 1, 2, result(ONE, L1, "it failed", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "go");
        c.willFail(WHY);
        run();
        heard(a, 0, "it failed");
        eq(c.calls(), 0);
        eq(address(c).balance, 0);
        isAt(ONE, 2);
        holds(ONE, 5 ether);
        eq(address(registry).balance, 5 ether);
    }

    /// D on rollup 2, called by B with ether, fails: rollup 2 is as before.
    function testRevertInTheInnermostFrameOfARollup() public {
        Action memory out = callOut(ONE, B, TWO, D, 2 ether, "bd", frame(0));
        Action memory back = failure(TWO, ONE, WHY, 2 ether, frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 2 ether, "ab"), 0, 1, out),
                entry(out, 0, 1, back),
                entry(back, 1, 2, result(ONE, L1, "it failed", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 2 ether, "ab");
        vm.deal(address(a), 2 ether);
        run();
        heard(a, 0, "it failed");
        isAt(ONE, 2);
        isAt(TWO, 0);
        holds(ONE, 2 ether);
        holds(TWO, 0);
        eq(waits(out, 0), 1);
    }

    /// C asks rollup 2, succeeds there, and reverts itself: rollup 2 is as before, its entry waits
    /// again, and the ether is where it was.
    function testRevertInTheMiddle() public {
        fund(ONE, 5 ether);
        Action memory out = callOut(ONE, B, L1, address(c), 2 ether, "bc", frame(0));
        Action memory ask = fromL1(address(c), TWO, D, 1 ether, "cd");
        Action memory back = failure(L1, ONE, WHY, 2 ether, frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, out),
                entry(ask, 0, 1, result(TWO, L1, "dc", TOP)),
                entry(back, 1, 2, result(ONE, L1, "it failed", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "ab");
        c.willCall(proxy(D, TWO), 1 ether, "cd");
        c.willFail(WHY);
        run();
        heard(a, 0, "it failed");
        isAt(ONE, 2);
        isAt(TWO, 0);
        holds(ONE, 5 ether);
        holds(TWO, 0);
        eq(c.calls(), 0);
        eq(waits(ask, 0), 1);
    }

    /// After the revert in the middle the same entry serves again, in the same transaction.
    function testEntryThatWasRevertedServesAgain() public {
        Action memory ask = fromL1(address(c), TWO, D, 0, "cd");
        post(list(entry(ask, 0, 1, result(TWO, L1, "dc", TOP))));
        Puppet failing = new Puppet();
        failing.willCall(address(c), 0, "x");
        failing.willFail(WHY);
        a.willTry(address(failing), 0, "x");
        a.willCall(address(c), 0, "x");
        c.willCall(proxy(D, TWO), 0, "cd");
        run();
        heardFailure(a, 0, WHY);
        heard(c, 0, "dc");
        isAt(TWO, 1);
        eq(waits(ask, 0), 0);
    }

    /// B calls D on rollup 2, which calls E on rollup 3 and C on L1, both with ether and success;
    /// then D fails: all of it is undone but B's own step.
    function testRevertAcrossTwoRollups() public {
        Action memory bd = callOut(ONE, B, TWO, D, 3 ether, "bd", frame(0));
        Action memory db = failure(TWO, ONE, WHY, 3 ether, frame(0));
        Action memory de = callOut(TWO, D, THREE, E, 1 ether, "de", frame(0, 0));
        post(acrossTwo(bd, de, db));
        a.willCall(proxy(B, ONE), 3 ether, "ab");
        vm.deal(address(a), 3 ether);
        run();
        heard(a, 0, "it failed");
        isAt(ONE, 2);
        isAt(TWO, 0);
        isAt(THREE, 0);
        holds(ONE, 3 ether);
        holds(TWO, 0);
        holds(THREE, 0);
        eq(c.calls(), 0);
        eq(address(c).balance, 0);
        eq(waits(bd, 0), 1);
        eq(waits(de, 0), 1);
    }

    function acrossTwo(Action memory bd, Action memory de, Action memory db)
        private
        view
        returns (Entry[] memory entries)
    {
        Action memory ed = result(THREE, TWO, "ed", frame(0, 0));
        Action memory dc = callOut(TWO, D, L1, address(c), 1 ether, "dc", frame(0, 1));
        Action memory cd = result(L1, TWO, "", frame(0, 1));
        entries = list(
            entry(fromL1(address(a), ONE, B, 3 ether, "ab"), 0, 1, bd),
            entry(bd, 0, 1, de),
            entry(de, 0, 1, ed)
        );
        entries = and(and(entries, entry(ed, 1, 2, dc)), entry(cd, 2, 3, db));
        return and(entries, entry(db, 1, 2, result(ONE, L1, "it failed", TOP)));
    }

    /// A frame of B's own calls C with ether and success, then reverts: what C did is undone, and
    /// B goes on.
    function testRevertContinueUndoesWhatTheFrameDidOnL1() public {
        fund(ONE, 5 ether);
        Action memory bc = callOut(ONE, B, L1, address(c), 2 ether, "bc", frame(0, 0));
        Action memory cb = result(L1, ONE, "cb", frame(0, 0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, bc),
                entry(cb, 1, 2, revertOf(ONE, frame(0), TIE)),
                entry(continueOf(ONE, frame(0), TIE, 2 ether), 1, 3, result(ONE, L1, "ba", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "ab");
        c.willAnswer("cb");
        run();
        heard(a, 0, "ba");
        eq(c.calls(), 0);
        eq(address(c).balance, 0);
        isAt(ONE, 3);
        holds(ONE, 5 ether);
        eq(address(registry).balance, 5 ether);
        eq(waits(cb, 1), 1);
    }

    /// The frame calls C and then D on rollup 2, the ether goes along, then it reverts: both are as
    /// before, and a call to C afterwards finds it so.
    function testRevertContinueAcrossTwoRollups() public {
        fund(ONE, 5 ether);
        Action memory bd = callOut(ONE, B, TWO, D, 1 ether, "bd", frame(0, 1));
        Action memory after_ = callOut(ONE, B, L1, address(c), 4 ether, "again", frame(1));
        post(frameThatReverts(bd, after_));
        a.willCall(proxy(B, ONE), 0, "ab");
        run();
        heard(a, 0, "ba");
        eq(c.calls(), 1);
        saw(c, 0, proxy(B, ONE), 4 ether, "again");
        isAt(ONE, 5);
        isAt(TWO, 0);
        holds(ONE, 1 ether);
        holds(TWO, 0);
        eq(address(registry).balance, 1 ether);
        eq(waits(bd, 0), 1);
    }

    function frameThatReverts(Action memory bd, Action memory after_)
        private
        view
        returns (Entry[] memory entries)
    {
        Action memory bc = callOut(ONE, B, L1, address(c), 2 ether, "bc", frame(0, 0));
        Action memory db = result(TWO, ONE, "db", frame(0, 1));
        entries = list(
            entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, bc),
            entry(result(L1, ONE, "", frame(0, 0)), 1, 2, bd),
            entry(bd, 0, 1, db)
        );
        entries = and(entries, entry(db, 2, 3, revertOf(ONE, frame(0), TIE)));
        entries = and(entries, entry(continueOf(ONE, frame(0), TIE, 2 ether), 1, 4, after_));
        entries =
            and(entries, entry(result(L1, ONE, "", frame(1)), 4, 5, result(ONE, L1, "ba", TOP)));
    }

    /// Two frames deep: the REVERT names the outer one, and both are undone at once.
    function testRevertOfAnOuterFrame() public {
        Action memory first = callOut(ONE, B, L1, address(c), 0, "1", frame(0, 0));
        Action memory deep = callOut(ONE, B, L1, address(c), 0, "2", frame(0, 1, 0));
        Entry[] memory entries = list(
            entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, first),
            entry(result(L1, ONE, "", frame(0, 0)), 1, 2, deep),
            entry(result(L1, ONE, "", frame(0, 1, 0)), 2, 3, revertOf(ONE, frame(0), TIE))
        );
        post(
            and(entries, entry(continueOf(ONE, frame(0), TIE, 0), 1, 4, result(ONE, L1, "ba", TOP)))
        );
        a.willCall(proxy(B, ONE), 0, "ab");
        run();
        eq(c.calls(), 0);
        isAt(ONE, 4);
    }

    /// Two frames, one in the other, of which the inner alone reverts: what the outer did stays.
    function testRevertOfAnInnerFrameLeavesTheOuter() public {
        Action memory first = callOut(ONE, B, L1, address(c), 0, "1", frame(0, 0));
        Action memory deep = callOut(ONE, B, L1, address(c), 0, "2", frame(0, 1, 0));
        Entry[] memory entries = list(
            entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, first),
            entry(result(L1, ONE, "", frame(0, 0)), 1, 2, deep),
            entry(result(L1, ONE, "", frame(0, 1, 0)), 2, 3, revertOf(ONE, frame(0, 1), TIE))
        );
        post(
            and(
                entries,
                entry(continueOf(ONE, frame(0, 1), TIE, 0), 2, 4, result(ONE, L1, "ba", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "ab");
        run();
        eq(c.calls(), 1);
        saw(c, 0, proxy(B, ONE), 0, "1");
        isAt(ONE, 4);
    }

    /// Without the entry that goes on, nothing goes on.
    function testRevertWithoutItsContinuationIsRefused() public {
        Action memory bc = callOut(ONE, B, L1, address(c), 0, "bc", frame(0, 0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, bc),
                entry(result(L1, ONE, "", frame(0, 0)), 1, 2, revertOf(ONE, frame(0), TIE))
            )
        );
        a.willCall(proxy(B, ONE), 0, "ab");
        runFails(missing(continueOf(ONE, frame(0), TIE, 0), root(ONE, 1)));
        isAt(ONE, 0);
    }

    function testTryCallThatSucceeds() public {
        Action memory call = tryFromL1(address(a), ONE, B, 1 ether, "buy");
        post(list(entry(call, 0, 1, result(ONE, L1, "bought", TOP))));
        tryCall(1 ether);
        heard(a, 0, abi.encode(true, bytes("bought")));
        isAt(ONE, 1);
        holds(ONE, 1 ether);
        eq(address(a).balance, 0);
    }

    /// B fails after it had called C with ether: the answer comes, the value comes back, and C was
    /// never called.
    function testTryCallThatFails() public {
        fund(ONE, 5 ether);
        Action memory call = tryFromL1(address(a), ONE, B, 1 ether, "buy");
        Action memory out = callOut(ONE, B, L1, address(c), 3 ether, "bc", frame(0));
        post(
            list(
                entry(call, 0, 1, out),
                entry(result(L1, ONE, "", frame(0)), 1, 2, failure(ONE, L1, WHY, 1 ether, TOP))
            )
        );
        tryCall(1 ether);
        heard(a, 0, abi.encode(false, WHY));
        isAt(ONE, 0);
        holds(ONE, 5 ether);
        eq(address(registry).balance, 5 ether);
        eq(address(a).balance, 1 ether);
        eq(c.calls(), 0);
        eq(waits(call, 0), 1);
    }

    function testMissingEntryUnderTryCallIsNoAnswer() public {
        bytes memory data = abi.encodeCall(IRollups.tryCall, (B, ONE, "buy"));
        a.willCall(address(registry), 1 ether, data);
        vm.deal(address(a), 1 ether);
        runFails(missing(tryFromL1(address(a), ONE, B, 1 ether, "buy"), root(ONE, 0)));
        eq(address(a).balance, 1 ether);
    }

    /// Nor is one deep inside, where L1 went another way than it was simulated.
    function testMissingEntryDeepUnderTryCallIsNoAnswer() public {
        Action memory out = callOut(ONE, B, L1, address(c), 0, "bc", frame(0));
        post(list(entry(tryFromL1(address(a), ONE, B, 0, "buy"), 0, 1, out)));
        c.willAnswer("unforeseen");
        a.willCall(address(registry), 0, abi.encodeCall(IRollups.tryCall, (B, ONE, "buy")));
        runFails(missing(result(L1, ONE, "unforeseen", frame(0)), root(ONE, 1)));
    }

    /// A CALL's entry does not answer a TRY_CALL.
    function testCallAndTryCallAreTwoThings() public {
        Action memory call = fromL1(address(a), ONE, B, 0, "buy");
        post(list(entry(call, 0, 1, failure(ONE, L1, WHY, 0, TOP))));
        a.willCall(address(registry), 0, abi.encodeCall(IRollups.tryCall, (B, ONE, "buy")));
        runFails(missing(tryFromL1(address(a), ONE, B, 0, "buy"), root(ONE, 0)));
    }

    /// A rollup tries another, which fails: it has the answer and its ether.
    function testRollupTriesAnother() public {
        Action memory out = callOut(ONE, B, TWO, D, 1 ether, "bd", frame(0));
        out.actionType = ActionType.TRY_CALL;
        Action memory back = failure(TWO, ONE, WHY, 1 ether, frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 1 ether, "ab"), 0, 1, out),
                entry(out, 0, 1, back),
                entry(back, 1, 2, result(ONE, L1, "it failed", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 1 ether, "ab");
        vm.deal(address(a), 1 ether);
        run();
        heard(a, 0, "it failed");
        isAt(ONE, 2);
        isAt(TWO, 0);
        holds(ONE, 1 ether);
    }

    /// The table knows what B does if a contract of L1 fails, too. Who sends the transaction cannot
    /// bring that about with too little gas: it goes as that contract does, or not at all.
    function testTooLittleGasIsNoFailureOfL1() public {
        Burner burner = new Burner();
        Action memory out = callOut(ONE, B, L1, address(burner), 0, "bc", frame(0));
        Entry[] memory entries = list(
            entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, out),
            entry(result(L1, ONE, "", frame(0)), 1, 0, result(ONE, L1, "", TOP)),
            entry(failure(L1, ONE, "", 0, frame(0)), 1, 9, result(ONE, L1, "", TOP))
        );
        a.willCall(proxy(B, ONE), 0, "ab");
        uint256 whole;
        for (uint256 gas_ = 3_000_000; gas_ < 4_000_000; gas_ += 25_000) {
            entries[2].next.data = abi.encode(gas_); // a table of its own
            post(entries);
            stageVm.prank(user, user);
            (bool ok,) = address(a).call{gas: gas_}("act");
            isAt(ONE, 0);
            if (ok) whole++;
        }
        eq(whole > 5 && whole < 35, true);
    }

    function tryCall(uint256 valueWei) private {
        vm.deal(address(a), valueWei);
        bytes memory data = abi.encodeCall(IRollups.tryCall, (B, ONE, "buy"));
        a.willCall(address(registry), valueWei, data);
        run();
    }
}
