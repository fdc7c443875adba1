// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Stage} from "./Stage.sol";

/// @dev Calls from a small memory of its own, so that only the callee's gas is measured.
contract Meter {
    function gasOf(address target, bytes calldata data) external returns (uint256) {
        uint256 before = gasleft();
        (bool ok,) = target.call(data);
        uint256 used = before - gasleft();
        require(ok, "the call reverted");
        return used;
    }
}

/// @notice Consuming an entry costs the same, however many others wait for the same action.
contract GasTest is Stage {
    event log_named_uint(string key, uint256 value);

    Meter private meter;

    function setUp() public override {
        super.setUp();
        meter = new Meter();
    }

    /// Others with the same key: the next in the queue.
    function testConsumingCostsTheSameWithOthersInItsQueue() public {
        uint256 alone = consume(ONE, entries(ONE, 0, true));
        same(alone, consume(TWO, entries(TWO, 10, true)), 10);
        same(alone, consume(THREE, entries(THREE, 100, true)), 100);
    }

    /// Others for the same action at other roots of the rollup.
    function testConsumingCostsTheSameWithOthersAtOtherRoots() public {
        uint256 alone = consume(ONE, entries(ONE, 0, false));
        same(alone, consume(TWO, entries(TWO, 10, false)), 10);
        same(alone, consume(THREE, entries(THREE, 100, false)), 100);
    }

    /// Others of an earlier block that nobody consumed, with the same key but for the block.
    function testConsumingCostsTheSameAfterABlockFullOfStaleOnes() public {
        postAll(entries(TWO, 100, true));
        stageVm.roll(BLOCK + 1);
        uint256 alone = consume(ONE, entries(ONE, 0, true));
        same(alone, consume(TWO, entries(TWO, 0, true)), 100);
    }

    function action(uint64 rollupId) private view returns (Action memory) {
        return fromL1(address(meter), rollupId, B, 0, "swap");
    }

    /// @dev One that is live, and others for the same action.
    function entries(uint64 rollupId, uint256 others, bool sameRoot)
        private
        view
        returns (Entry[] memory all)
    {
        all = new Entry[](others + 1);
        Action memory next = result(rollupId, L1, abi.encode(1), TOP);
        all[0] = entry(action(rollupId), 0, 1, next);
        for (uint256 i = 1; i <= others; i++) {
            all[i] = sameRoot ? all[0] : entry(action(rollupId), i, i + 1, next);
        }
    }

    /// @dev In tables of at most 60 entries.
    function postAll(Entry[] memory all) private {
        for (uint256 from = 0; from < all.length; from += 60) {
            uint256 count = all.length - from < 60 ? all.length - from : 60;
            Entry[] memory part = new Entry[](count);
            for (uint256 i = 0; i < count; i++) {
                part[i] = all[from + i];
            }
            post(part);
        }
    }

    /// @return Gas of the call through the proxy that consumes the first of them.
    function consume(uint64 rollupId, Entry[] memory all) private returns (uint256) {
        address door = proxy(B, rollupId);
        postAll(all);
        stageVm.prank(user, user);
        uint256 used = meter.gasOf(door, "swap");
        isAt(rollupId, 1);
        return used;
    }

    function same(uint256 alone, uint256 used, uint256 others) private {
        emit log_named_uint("others waiting", others);
        emit log_named_uint("gas with them", used);
        emit log_named_uint("gas alone", alone);
        uint256 apart = used > alone ? used - alone : alone - used;
        eq(apart * 100 <= alone, true);
    }
}
