// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bn254} from "../libraries/Bn254.sol";
import {CircuitKeys as Keys} from "./CircuitKeys.sol";

/// @notice What is checked in one pairing: Σ rᵢ·(equation of proof i), for coefficients that
/// nobody could choose (Bellare, Garay, Rabin, EUROCRYPT 1998).
/// @param pairs Six words a pair; `filled` pairs so far.
/// @param sums Of each key: Σ r, Σ r·p, Σ r·x, Σ r·y, and Σ r·c as a point.
struct Batch {
    uint256[] keys;
    uint256[] pairs;
    uint256 filled;
    uint256[6][] sums;
}

/// @notice Many Groth16 proofs, under several keys of one phase 1, checked by one pairing.
library PairingBatch {
    /// @dev One pair for each proof, one for alpha, one for the inputs, one for each key's c.
    function create(uint256[] memory keys, uint256 proofs)
        internal
        pure
        returns (Batch memory batch)
    {
        batch.keys = keys;
        uint256 count = keys[Keys.NUMBER_AT];
        batch.pairs = new uint256[](6 * (proofs + 2 + count));
        batch.sums = new uint256[6][](count);
    }

    /// @dev Takes r times one proof: e(−a, b)·e(alpha, beta)·e(inputs, gamma)·e(c, delta) = 1
    /// (Groth, EUROCRYPT 2016, section 3.2).
    function add(
        Batch memory batch,
        uint256 key,
        uint256 r,
        uint256[3] memory signals,
        bytes calldata points
    ) internal view returns (bool ok) {
        uint256[8] memory point;
        assembly ("memory-safe") {
            calldatacopy(point, points.offset, 0x100)
        }
        // No honest proof has the point at infinity, and off chain such proofs are refused.
        if (point[1] == 0 || point[1] >= Bn254.COORDINATE_ORDER || point[7] == 0) return false;
        if (point[2] | point[3] | point[4] | point[5] == 0) return false;
        uint256[6] memory sums = batch.sums[key];
        (ok, sums[4], sums[5]) = Bn254.addProduct(sums[4], sums[5], point[6], point[7], r);
        if (!ok) return false;
        uint256 order = Bn254.FIELD_ORDER;
        unchecked {
            sums[0] += r; // 64 numbers of 128 bits
        }
        sums[1] = addmod(sums[1], mulmod(r, signals[0], order), order);
        sums[2] = addmod(sums[2], mulmod(r, signals[1], order), order);
        sums[3] = addmod(sums[3], mulmod(r, signals[2], order), order);
        uint256 y = Bn254.COORDINATE_ORDER - point[1];
        (ok, point[0], point[1]) = Bn254.addProduct(0, 0, point[0], y, r);
        if (ok) _pair(batch, point[0], point[1], point, 2);
    }

    /// @dev Adds the pair of a point of G1 and the one of G2 at `at`, a memory array's element.
    function _pair(Batch memory batch, uint256 x, uint256 y, uint256[8] memory from, uint256 offset)
        private
        pure
    {
        uint256[] memory pairs = batch.pairs;
        uint256 filled = batch.filled++;
        assembly ("memory-safe") {
            let to := add(add(pairs, 0x20), mul(0xc0, filled))
            mstore(to, x)
            mstore(add(to, 0x20), y)
            mcopy(add(to, 0x40), add(from, mul(0x20, offset)), 0x80)
        }
    }

    /// @dev The same with a point of G2 out of the keys.
    function _pairKey(Batch memory batch, uint256 x, uint256 y, uint256 offset) private pure {
        uint256[8] memory point;
        for (uint256 i = 0; i < 4; i++) {
            point[i] = batch.keys[offset + i];
        }
        _pair(batch, x, y, point, 0);
    }

    function holds(Batch memory batch) internal view returns (bool ok) {
        uint256[] memory keys = batch.keys;
        uint256 inputsX;
        uint256 inputsY;
        uint256 coefficients = 0;
        for (uint256 key = 0; key < batch.sums.length; key++) {
            uint256[6] memory sums = batch.sums[key];
            if (sums[0] == 0) continue;
            coefficients += sums[0];
            uint256 offset = Keys.KEYS_AT + Keys.KEY_WORDS * key;
            for (uint256 i = 0; i < 4; i++) {
                (uint256 x, uint256 y) = (keys[offset + Keys.IC_AT + 2 * i], keys[offset + Keys.IC_AT + 2 * i + 1]);
                (ok, inputsX, inputsY) = Bn254.addProduct(inputsX, inputsY, x, y, sums[i]);
                if (!ok) return false;
            }
            _pairKey(batch, sums[4], sums[5], offset + Keys.DELTA_AT);
        }
        uint256 alphaX = keys[Keys.ALPHA_AT];
        uint256 alphaY = keys[Keys.ALPHA_AT + 1];
        (ok, alphaX, alphaY) = Bn254.addProduct(0, 0, alphaX, alphaY, coefficients);
        if (!ok) return false;
        _pairKey(batch, alphaX, alphaY, Keys.BETA_AT);
        _pairKey(batch, inputsX, inputsY, Keys.GAMMA_AT);
        return Bn254.isOne(batch.pairs, batch.filled);
    }
}
