// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Base} from "./Base.sol";
import {Handler} from "./Handler.sol";

/// @notice I1 to I7 of DESIGN section 11 over random histories. The handler checks each step
/// against its model (I3 to I6); what must hold between steps is here.
contract InvariantsTest is Base {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public {
        handler = new Handler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        // What moves a job is there twice.
        bytes4[23] memory actions = [
            Handler.pass.selector,
            Handler.passToEdge.selector,
            Handler.passToEdge.selector,
            Handler.open.selector,
            Handler.startProver.selector,
            Handler.startProver.selector,
            Handler.settleReceipt.selector,
            Handler.settleOwed.selector,
            Handler.drain.selector,
            Handler.forgeReceipt.selector,
            Handler.commitTo.selector,
            Handler.commitTo.selector,
            Handler.claimFor.selector,
            Handler.claimFor.selector,
            Handler.postFor.selector,
            Handler.postFor.selector,
            Handler.slashOf.selector,
            Handler.slashOf.selector,
            Handler.doubleAward.selector,
            Handler.misaward.selector,
            Handler.deposit.selector,
            Handler.beginLeaving.selector,
            Handler.withdraw.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), new bytes4[](actions.length + 1));
        for (uint256 i = 0; i < actions.length; i++) {
            targets[0].selectors[i] = actions[i];
        }
        targets[0].selectors[actions.length] = Handler.withdrawCredit.selector;
    }

    /// I1: escrow + credits, and bonds + stakes + burnt, are what the contracts hold: deposited
    /// less withdrawn.
    function invariantWeiIsConserved() external view {
        (uint256 inSettlement, uint256 inBonds) = handler.sums();
        (uint256 settlementWei, uint256 bondsWei) = handler.balances();
        eq(inSettlement, settlementWei);
        eq(inBonds, bondsWei);
        eq(settlementWei + bondsWei, handler.depositedWei() - handler.withdrawnWei());
    }

    /// I2: one start is paid at most once: never more than its best receipt says, or its
    /// claim or post shows.
    function invariantAStartIsPaidAtMostOnce() external view {
        for (uint64 nonce = 0; nonce < handler.jobs(); nonce++) {
            for (uint256 i = 0; i < 2; i++) {
                Handler.Story memory story = handler.storyOf(nonce, handler.provers(i));
                eq(story.paidWei <= story.mostWei, true);
                eq(story.slashed && story.paidWei != 0, false);
            }
        }
    }

    /// I7, after every history: nothing that was started stays open for ever.
    function afterInvariant() external {
        handler.endEverything();
    }
}
