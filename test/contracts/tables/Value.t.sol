// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../../../contracts/src/interfaces/IRollups.sol";
import {Stage} from "./Stage.sol";

/// @notice Ether across the border of a rollup, and calls that only read.
contract ValueTest is Stage {
    function testValueAboveTheRollupsBalanceIsRefused() public {
        fund(ONE, 1 ether);
        fund(TWO, 9 ether); // the registry has it, but it is another rollup's
        Action memory out = callOut(ONE, B, L1, address(c), 2 ether, "pay", frame(0));
        post(list(entry(fromL1(address(a), ONE, B, 0, "go"), 0, 1, out)));
        a.willCall(proxy(B, ONE), 0, "go");
        runFails(
            abi.encodeWithSelector(IRollups.RollupBalance.selector, ONE, 1 ether, int256(-2 ether))
        );
        isAt(ONE, 0);
        holds(ONE, 1 ether);
    }

    function testRollupSpendsItsLastWei(uint96 valueWei) public {
        fund(ONE, valueWei);
        Action memory out = callOut(ONE, B, L1, address(c), valueWei, "pay", frame(0));
        post(
            list(
                entry(fromL1(address(a), ONE, B, 0, "go"), 0, 1, out),
                entry(result(L1, ONE, "", frame(0)), 1, 2, result(ONE, L1, "", TOP))
            )
        );
        a.willCall(proxy(B, ONE), 0, "go");
        run();
        holds(ONE, 0);
        eq(address(c).balance, valueWei);
        eq(address(registry).balance, 0);
    }

    /// What came with a call may be gone when it fails: the failure undoes that as well.
    function testWhoFailsHandsBackWhatItHadSpent() public {
        Action memory call = fromL1(address(a), ONE, B, 1 ether, "buy");
        Action memory out = callOut(ONE, B, L1, address(c), 1 ether, "bc", frame(0));
        Action memory back = result(L1, ONE, "", frame(0));
        Action memory answer = failure(ONE, L1, "why", 1 ether, TOP);
        post(list(entry(call, 0, 1, out), entry(back, 1, 2, answer)));
        a.willTry(proxy(B, ONE), 1 ether, "buy");
        vm.deal(address(a), 1 ether);
        run();
        heardFailure(a, 0, "why");
        eq(address(a).balance, 1 ether);
        eq(c.calls(), 0);
        isAt(ONE, 0);
        holds(ONE, 0);
    }

    function testPlainEtherToAProxyIsCredited() public {
        address door = proxy(B, ONE);
        post(list(entry(fromL1(address(a), ONE, B, 3 ether, ""), 0, 1, result(ONE, L1, "", TOP))));
        a.willCall(door, 3 ether, "");
        vm.deal(address(a), 3 ether);
        run();
        isAt(ONE, 1);
        holds(ONE, 3 ether);
        eq(address(registry).balance, 3 ether);
        eq(door.balance, 0);
    }

    function testPlainEtherToAProxyWithoutAnEntryComesBack() public {
        address door = proxy(B, ONE);
        a.willCall(door, 3 ether, "");
        vm.deal(address(a), 3 ether);
        runFails(missing(fromL1(address(a), ONE, B, 3 ether, ""), root(ONE, 0)));
        eq(address(a).balance, 3 ether);
        eq(door.balance, 0);
        eq(address(registry).balance, 0);
    }

    /// As `transfer` and `send` do, with 2,300 gas: refused, not stuck.
    function testPlainEtherWithTooLittleGasComesBack() public {
        address door = proxy(B, ONE);
        (bool ok,) = door.call{value: 0, gas: 2_300}("");
        eq(ok, false);
        vm.deal(address(this), 1 ether);
        (ok,) = door.call{value: 1 ether, gas: 2_300}("");
        eq(ok, false);
        eq(address(this).balance, 1 ether);
        eq(door.balance, 0);
    }

    function native() private returns (uint64) {
        return registry.register(owner, address(verifier), PROGRAM, root(4, 0), true);
    }

    function testNativeTokenRollupTakesNoValueIn() public {
        uint64 four = native();
        Action memory call = fromL1(address(a), four, B, 1 ether, "in");
        post(list(entry(call, 0, 1, result(four, L1, "", TOP))));
        a.willCall(proxy(B, four), 1 ether, "in");
        vm.deal(address(a), 1 ether);
        runFails(abi.encodeWithSelector(IRollups.NativeToken.selector, four));
        eq(address(a).balance, 1 ether);
    }

    function testNativeTokenRollupSendsNoValueOut() public {
        uint64 four = native();
        fund(ONE, 5 ether);
        Action memory out = callOut(four, B, L1, address(c), 1 ether, "out", frame(0));
        post(list(entry(fromL1(address(a), four, B, 0, "go"), 0, 1, out)));
        a.willCall(proxy(B, four), 0, "go");
        runFails(abi.encodeWithSelector(IRollups.NativeToken.selector, four));
        eq(address(registry).balance, 5 ether);
    }

    /// Nor does another rollup of an entry hand it ether.
    function testNativeTokenRollupIsCreditedByNoOther() public {
        uint64 four = native();
        fund(ONE, 5 ether);
        Entry memory it =
            entry(fromL1(address(a), ONE, B, 0, "send"), 0, 1, result(ONE, L1, "", TOP));
        it.deltas = new StateDelta[](2);
        it.deltas[0] = delta(ONE, 0, 1, -1 ether);
        it.deltas[1] = delta(four, 0, 1, 1 ether);
        post(list(it));
        a.willCall(proxy(B, ONE), 0, "send");
        runFails(abi.encodeWithSelector(IRollups.NativeToken.selector, four));
        holds(ONE, 5 ether);
    }

    function testNativeTokenRollupIsCalledWithoutValue() public {
        uint64 four = native();
        post(list(entry(fromL1(address(a), four, B, 0, "x"), 0, 1, result(four, L1, "y", TOP))));
        a.willCall(proxy(B, four), 0, "x");
        run();
        heard(a, 0, "y");
    }

    function testStaticCallLooksUpAndConsumesNothing() public {
        Action memory read = fromL1(address(a), ONE, B, 0, "balance");
        post(list(entry(read, 0, 0, result(ONE, L1, "42", TOP))));
        address door = proxy(B, ONE);
        a.willRead(door, "balance");
        a.willRead(door, "balance");
        run();
        heard(a, 0, "42");
        heard(a, 1, "42");
        eq(waits(read, 0), 1);
        isAt(ONE, 0);
    }

    function testStaticCallWithoutAnEntryReverts() public {
        a.willRead(proxy(B, ONE), "balance");
        runFails(missing(fromL1(address(a), ONE, B, 0, "balance"), root(ONE, 0)));
    }

    function testStaticCallOfAProvenFailureRevertsWithItsData() public {
        Action memory read = fromL1(address(a), ONE, B, 0, "balance");
        post(list(entry(read, 0, 0, failure(ONE, L1, "why", 0, TOP))));
        a.willRead(proxy(B, ONE), "balance");
        runFails("why");
    }

    /// An entry that changes something is no answer to a static call.
    function testStaticCallDoesNotFindAnEntryThatChangesSomething() public {
        Action memory read = fromL1(address(a), ONE, B, 0, "balance");
        post(list(entry(read, 0, 1, result(ONE, L1, "42", TOP))));
        a.willRead(proxy(B, ONE), "balance");
        runFails(missing(read, root(ONE, 0)));
    }

    /// Nor is one that calls out.
    function testStaticCallDoesNotFindAnEntryThatCallsOut() public {
        Action memory read = fromL1(address(a), ONE, B, 0, "balance");
        Action memory out = callOut(ONE, B, L1, address(c), 0, "bc", frame(0));
        post(list(entry(read, 0, 0, out)));
        a.willRead(proxy(B, ONE), "balance");
        runFails(missing(read, root(ONE, 0)));
    }

    /// Somebody else's static call sees nobody's entries.
    function testStaticCallOfAStrangerFindsNothing() public {
        Action memory read = fromL1(address(a), ONE, B, 0, "balance");
        post(list(entry(read, 0, 0, result(ONE, L1, "42", TOP))));
        a.willRead(proxy(B, ONE), "balance");
        (bool ok, bytes memory data) = attempt(stranger, 0);
        eq(ok, false);
        same(data, missing(read, stranger, root(ONE, 0)));
    }
}
