// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BatchAccount} from "../../contracts/src/BatchAccount.sol";
import {IRollups} from "../../contracts/src/interfaces/IRollups.sol";
import {Stage} from "./tables/Stage.sol";

/// @dev The cheat codes this file needs.
interface DelegationVm {
    function signAndAttachDelegation(address implementation, uint256 key) external;
}

/// @notice Post and call in one transaction (EIP-7702), with the user as sender of both.
contract BatchAccountTest is Stage {
    /// @dev ERC-7821: one batch, all or nothing, no signature.
    bytes32 private constant BATCH = bytes32(uint256(1) << 248);
    uint256 private constant USER_KEY = 0x0b;

    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    BatchAccount private account;

    function setUp() public override {
        super.setUp();
        account = new BatchAccount();
        DelegationVm(address(vm)).signAndAttachDelegation(address(account), USER_KEY);
        account = BatchAccount(payable(user));
    }

    /// @dev Posts the entry of the user's own call of B with a wei, and makes that call.
    function calls() private returns (Call[] memory batch) {
        Action memory action = fromL1(user, ONE, B, 1, "hello");
        Table memory t = tableOf(list(entry(action, 0, 1, result(ONE, L1, "", TOP))));
        bytes memory canonical = abi.encode(t);
        batch = new Call[](2);
        batch[0] = Call(
            address(registry),
            0,
            abi.encodeCall(registry.post, (sha256(canonical), canonical, prove(t)))
        );
        batch[1] = Call(proxy(B, ONE), 1, "hello");
    }

    function testTableIsPostedAndConsumedInOneTransaction() public {
        Call[] memory batch = calls();
        stageVm.prank(user, user);
        account.execute(BATCH, abi.encode(batch));
        isAt(ONE, 1);
        holds(ONE, 1);
    }

    function testAllOrNothing() public {
        Call[] memory batch = calls();
        batch[1].data = "other";
        bytes memory refusal = missing(fromL1(user, ONE, B, 1, "other"), root(ONE, 0));
        vm.expectRevert(refusal);
        stageVm.prank(user, user);
        account.execute(BATCH, abi.encode(batch));
        eq(waits(fromL1(user, ONE, B, 1, "hello"), 0), 0);
        isAt(ONE, 0);
    }

    function testNobodyElseActsForTheAccount(address caller, bytes32 mode, bytes calldata data)
        public
    {
        vm.assume(caller != user);
        vm.expectRevert(abi.encodeWithSignature("AccountUnauthorized(address)", caller));
        vm.prank(caller);
        account.execute(mode, data);
    }

    function testAccountTakesEther(uint96 valueWei) public {
        vm.deal(stranger, valueWei);
        uint256 beforeWei = user.balance;
        vm.prank(stranger);
        (bool ok,) = user.call{value: valueWei}("");
        eq(ok, true);
        eq(user.balance, beforeWei + valueWei);
    }
}
