// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../../../contracts/src/interfaces/IRollups.sol";
import {Base} from "../Base.sol";
import {TablesHandler} from "./TablesHandler.sol";

/// @notice What holds at rest, whatever was posted, consumed and reverted before.
contract TablesInvariantsTest is Base {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    TablesHandler private handler;

    function setUp() public {
        handler = new TablesHandler();
        handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[8] memory actions = [
            TablesHandler.deposit.selector,
            TablesHandler.pay.selector,
            TablesHandler.send.selector,
            TablesHandler.tryIt.selector,
            TablesHandler.revertAFrame.selector,
            TablesHandler.setRoot.selector,
            TablesHandler.postInVain.selector,
            TablesHandler.nextBlock.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), new bytes4[](actions.length));
        for (uint256 i = 0; i < actions.length; i++) {
            targets[0].selectors[i] = actions[i];
        }
    }

    /// The registry's ether is the sum of the rollups' balances, each as the model has it; roots
    /// moved by consumed entries and owners only.
    function invariantEtherAndRootsAreAsTheModelHasThem() external view {
        uint256 sumWei;
        for (uint64 id = 1; id <= 3; id++) {
            IRollups.Rollup memory rollup = handler.rollup(id);
            eq(rollup.balanceWei, handler.balanceWei(id));
            eq(rollup.stateRoot, handler.rootAt(id));
            sumWei += rollup.balanceWei;
        }
        eq(handler.registryWei(), sumWei);
    }
}
