// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The cheat codes in use (Foundry's, at their well-known address), and nothing more.
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function assume(bool condition) external pure;
    function chainId(uint256 id) external;
    function deal(address account, uint256 balanceWei) external;
    function deployCode(string calldata artifact, bytes calldata args) external returns (address);
    function etch(address account, bytes calldata code) external;
    function expectEmit(address emitter) external;
    function expectRevert(bytes calldata reason) external;
    function expectRevert() external;
    function fee(uint256 baseFeeWei) external;
    function keyExistsJson(string calldata json, string calldata path) external view returns (bool);
    function parseJsonAddress(string calldata json, string calldata path)
        external
        pure
        returns (address);
    function parseJsonBytes(string calldata json, string calldata path)
        external
        pure
        returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata path)
        external
        pure
        returns (bytes32);
    function parseJsonString(string calldata json, string calldata path)
        external
        pure
        returns (string memory);
    function parseJsonUint(string calldata json, string calldata path)
        external
        pure
        returns (uint256);
    function prank(address sender) external;
    function readFile(string calldata path) external view returns (string memory);
    function sign(uint256 key, bytes32 id) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 timestamp) external;
}

/// @notice What every test starts from: cheat codes, equality, bounds.
abstract contract Base {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_TEST = true;

    error Unequal(uint256 actual, uint256 expected);

    function eq(uint256 actual, uint256 expected) internal pure {
        if (actual != expected) revert Unequal(actual, expected);
    }

    function eq(address actual, address expected) internal pure {
        eq(uint160(actual), uint160(expected));
    }

    function eq(bytes32 actual, bytes32 expected) internal pure {
        eq(uint256(actual), uint256(expected));
    }

    function eq(bool actual, bool expected) internal pure {
        if (actual != expected) revert Unequal(actual ? 1 : 0, expected ? 1 : 0);
    }

    /// @dev A fuzzed number folded into [low, high].
    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        return x >= low && x <= high ? x : low + x % (high - low + 1);
    }
}
