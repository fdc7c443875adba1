// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bn254} from "../libraries/Bn254.sol";

/// @notice A circuit's verification key. G2 points: x imaginary, x real, y imaginary, y real.
/// @param wordCount Words the circuit has room for: 8 and 42 for each entry.
struct VerificationKey {
    uint256 wordCount;
    uint256[2] alpha;
    uint256[4] beta;
    uint256[4] gamma;
    uint256[4] delta;
    uint256[2][4] ic;
}

/// @notice Verification keys of one statement in several sizes, at the end of a contract's code:
/// reading them all costs less than 200 gas, and equal keys make equal code, which is what provers
/// know a verifier by.
library CircuitKeys {
    error BadKeyCount(uint256 count);
    error BadWordCount(uint256 wordCount);
    error BadKey(uint256 index);
    /// @notice Not of the phase 1 that the first key is of: one pairing could not check both.
    error OtherPhaseOne(uint256 index);
    /// @notice Anybody can forge proofs under this key: its trapdoor is published, or the number 1.
    error InsecureKey(uint256 index, uint256 chainId);

    /// @dev More sizes than anybody has; bounds what finding a key by its id costs.
    uint256 private constant MAX_KEYS = 8;
    /// @dev Most words a circuit has: those of 64 entries.
    uint256 internal constant MAX_WORDS = 8 + 42 * 64;
    bytes32 private constant KEY_TAG = "proofwire/groth16/1";
    bytes32 private constant SET_TAG = "proofwire/circuits/1";

    /// @dev Coordinates of the development keys' alpha and delta
    /// (`prover-agent/circuits/development-setup.ts`): whatever is said of a key, these tell.
    uint256 private constant DEVELOPMENT_ALPHA_X =
        8365119302508929448663296403906744260959129599295872768703582180683266138485;
    uint256 private constant DEVELOPMENT_DELTA_X1 =
        17457068957232336474798393061772733934331782279698415457578127358010571268863;
    /// @dev Coordinates of the generators (EIP-197): a key nobody has contributed to has them.
    uint256 private constant GENERATOR_X = 1;
    uint256 private constant GENERATOR_X1 =
        11559732032986387107991004021392285783925812861821192530917403151452391805634;
    /// @dev Chains whose money is made up: anvil's and hardhat's, geth's `--dev`.
    uint256 private constant ANVIL = 31_337;
    uint256 private constant GETH_DEV = 1_337;

    /// @dev Layout, in words: program, number of keys, alpha, beta, gamma; then each key's. In the
    /// code the number comes once more, as its last word.
    uint256 internal constant PROGRAM_AT = 0;
    uint256 internal constant NUMBER_AT = 1;
    uint256 internal constant ALPHA_AT = 2;
    uint256 internal constant BETA_AT = 4;
    uint256 internal constant GAMMA_AT = 8;
    uint256 internal constant KEYS_AT = 12;
    uint256 internal constant ID_AT = 0;
    uint256 internal constant COUNT_AT = 1;
    uint256 internal constant DELTA_AT = 2;
    uint256 internal constant IC_AT = 6;
    uint256 internal constant KEY_WORDS = 14;

    /// @dev Reverts unless every key is one, and may be used on this chain. The points are checked
    /// by the precompiles here, once.
    /// @return code What a verifier's code ends with.
    function pack(VerificationKey[] memory keys) internal view returns (bytes memory code) {
        if (keys.length == 0 || keys.length > MAX_KEYS) revert BadKeyCount(keys.length);
        VerificationKey memory first = keys[0];
        bytes memory ids = abi.encodePacked(SET_TAG);
        for (uint256 i = 0; i < keys.length; i++) {
            VerificationKey memory key = keys[i];
            _check(key, first, i);
            bytes32 id = keccak256(abi.encode(KEY_TAG, key));
            ids = bytes.concat(ids, id);
            bytes memory ic = abi.encodePacked(key.ic[0], key.ic[1], key.ic[2], key.ic[3]);
            code = bytes.concat(code, abi.encodePacked(id, key.wordCount, key.delta), ic);
        }
        bytes memory head = abi.encodePacked(
            keccak256(ids), keys.length, first.alpha, first.beta, first.gamma
        );
        return bytes.concat(head, code, bytes32(keys.length));
    }

    /// @dev All keys of the contract that runs, in the layout above.
    function load() internal pure returns (uint256[] memory keys) {
        assembly ("memory-safe") {
            let end := sub(codesize(), 0x20)
            codecopy(0x00, end, 0x20)
            let words := add(KEYS_AT, mul(KEY_WORDS, mload(0x00)))
            let size := mul(words, 0x20)
            keys := mload(0x40)
            mstore(keys, words)
            codecopy(add(keys, 0x20), sub(end, size), size)
            mstore(0x40, add(add(keys, 0x20), size))
        }
    }

    function _check(VerificationKey memory key, VerificationKey memory first, uint256 index)
        private
        view
    {
        if (key.wordCount == 0 || key.wordCount > MAX_WORDS) revert BadWordCount(key.wordCount);
        bytes32 phaseOne = keccak256(abi.encode(key.alpha, key.beta, key.gamma));
        if (phaseOne != keccak256(abi.encode(first.alpha, first.beta, first.gamma))) {
            revert OtherPhaseOne(index);
        }
        // Each point of G1 is paired with some point of G2; only that all are points matters.
        bool good = Bn254.arePoints(
            bytes.concat(
                abi.encodePacked(key.alpha, key.beta, key.ic[0], key.gamma),
                abi.encodePacked(key.ic[1], key.delta, key.ic[2], key.beta, key.ic[3], key.beta)
            )
        );
        if (!good) revert BadKey(index);
        if (block.chainid != ANVIL && block.chainid != GETH_DEV && _isInsecure(key)) {
            revert InsecureKey(index, block.chainid);
        }
    }

    /// @dev The same as `whyInsecure` of `protocol/development-key.ts` sees in a key's points.
    function _isInsecure(VerificationKey memory key) private pure returns (bool) {
        bool published =
            key.alpha[0] == DEVELOPMENT_ALPHA_X || key.delta[0] == DEVELOPMENT_DELTA_X1;
        bool untouched = key.alpha[0] == GENERATOR_X || key.beta[0] == GENERATOR_X1
            || key.delta[0] == GENERATOR_X1;
        return published || untouched;
    }
}
