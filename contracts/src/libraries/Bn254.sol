// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title BN254 by the EVM's precompiles
/// @notice Points of G1 as x, y; of G2 as x imaginary, x real, y imaginary, y real (EIP-197). A
/// precompile eats all the gas it is given when it refuses its input: what each gets here is twice
/// its price by EIP-1108, which leaves room for a fork and still bounds what a bad proof costs.
library Bn254 {
    /// @notice Order of the groups: what words, signals and scalars are below.
    uint256 internal constant FIELD_ORDER =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @notice Order of the field the coordinates lie in.
    uint256 internal constant COORDINATE_ORDER =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;

    uint256 private constant ADD_GAS = 300;
    uint256 private constant MUL_GAS = 12_000;
    uint256 private constant PAIRING_GAS = 90_000;
    uint256 private constant PAIR_GAS = 68_000;
    /// @dev Words of one pair: a point of G1, a point of G2.
    uint256 private constant PAIR_WORDS = 6;

    /// @notice (sumX, sumY) + scalar·(x, y). Where nothing is computed, because the sum is zero and
    /// the scalar one, nothing is checked; else it is not ok where a point is off the curve.
    function addProduct(uint256 sumX, uint256 sumY, uint256 x, uint256 y, uint256 scalar)
        internal
        view
        returns (bool ok, uint256 resultX, uint256 resultY)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            let product := add(free, 0x40)
            mstore(product, x)
            mstore(add(free, 0x60), y)
            ok := 1
            if iszero(eq(scalar, 1)) {
                mstore(add(free, 0x80), scalar)
                ok := staticcall(MUL_GAS, 0x07, product, 0x60, product, 0x40)
                ok := and(ok, eq(returndatasize(), 0x40))
            }
            if and(ok, iszero(iszero(or(sumX, sumY)))) {
                mstore(free, sumX)
                mstore(add(free, 0x20), sumY)
                ok := staticcall(ADD_GAS, 0x06, free, 0x80, product, 0x40)
                ok := and(ok, eq(returndatasize(), 0x40))
            }
            resultX := mload(product)
            resultY := mload(add(free, 0x60))
        }
    }

    /// @notice Whether the product of e(G1, G2) over the first `count` pairs is one. The precompile
    /// refuses points off the curves, out of the subgroup, and coordinates not below their order.
    /// @param pairs Six words each.
    function isOne(uint256[] memory pairs, uint256 count) internal view returns (bool one) {
        uint256 gasLimit = PAIRING_GAS + PAIR_GAS * count;
        uint256 size = 32 * PAIR_WORDS * count;
        assembly ("memory-safe") {
            let answered := staticcall(gasLimit, 0x08, add(pairs, 0x20), size, 0x00, 0x20)
            one := and(and(answered, eq(returndatasize(), 0x20)), eq(mload(0x00), 1))
        }
    }

    /// @notice Whether the precompile takes these pairs at all: whether their points are points.
    function arePoints(bytes memory pairs) internal view returns (bool) {
        uint256 gasLimit = PAIRING_GAS + PAIR_GAS * (pairs.length / (32 * PAIR_WORDS));
        (bool answered, bytes memory result) = address(0x08).staticcall{gas: gasLimit}(pairs);
        return answered && result.length == 32;
    }
}
