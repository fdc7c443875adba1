// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPayeeVerifier, IVerifier} from "../interfaces/IVerifier.sol";

/// @title Verifier of table proofs: Groth16 over BN254
/// @notice One deployment checks the proofs of one verification key. A proof is, without any ABI
/// framing, `payee(20) ‖ p(32) ‖ a(64) ‖ b(128) ‖ c(64) ‖ word count(2) ‖ words(32 each)`, integers
/// big-endian, points as the pairing precompile takes them (EIP-197). See `protocol/proof.ts`,
/// which reads and writes the same bytes.
///
/// The key has three public signals: the words' Poseidon digest `p`, which the circuit computes and
/// this contract cannot; the challenge x = keccak256(kd, p, payee) mod r, where kd is the keccak256
/// of the words; and y = Σ words[i]·x^i mod r. The circuit evaluates the words behind `p` at x as
/// well. Both lists were fixed before x was, so equal values mean equal words. A proof may carry
/// fewer words than the circuit has: what is missing is zero, and adds nothing to y. `kd` is of the
/// words that are there, so the same words with zeros behind them are another statement.
/// `prover-agent/circuits/README.md` has the argument in full.
contract TableVerifier is IPayeeVerifier {
    /// @notice A key with three public signals. G2 points: x imaginary, x real, y imaginary, y
    /// real.
    struct VerificationKey {
        uint256[2] alpha;
        uint256[4] beta;
        uint256[4] gamma;
        uint256[4] delta;
        uint256[2][4] ic;
    }

    error BadWordCount(uint256 wordCount);
    error BadKey();

    /// @notice Order of the groups: what words and signals are below.
    uint256 public constant FIELD_ORDER =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev Order of the field the coordinates lie in.
    uint256 private constant COORDINATE_ORDER =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;
    /// @dev First word of the public inputs hash.
    bytes32 private constant TABLE_TAG = "proofwire/table/1";
    bytes32 private constant PROGRAM_TAG = "proofwire/groth16/1";
    /// @dev The proof's parts, by offset.
    uint256 private constant P_AT = 20;
    uint256 private constant A_AT = 52;
    uint256 private constant B_AT = 116;
    uint256 private constant C_AT = 244;
    uint256 private constant COUNT_AT = 308;
    uint256 private constant WORDS_AT = 310;
    /// @dev Most words a circuit has: those of 64 entries. Bounds the loop, and the proof to what
    /// `protocol/proof.ts` reads.
    uint256 private constant MAX_WORDS = 8 + 42 * 64;
    /// @dev A precompile eats all the gas it is given when it refuses its input. Twice the price of
    /// EIP-1108 leaves room for a fork and still bounds what a bad proof costs.
    uint256 private constant ADD_GAS = 300;
    uint256 private constant MUL_GAS = 12_000;
    uint256 private constant PAIRING_GAS = 362_000;
    uint256 private constant KEY_GAS = 430_000;

    /// @notice Words of the circuit: the most a proof may carry.
    uint256 public immutable wordCount;
    /// @notice Hash of the key and the word count: the program's name everywhere.
    bytes32 public immutable programId;

    // The key lives in the code, where reading it costs next to nothing.
    uint256 private immutable alphaX;
    uint256 private immutable alphaY;
    uint256 private immutable betaX1;
    uint256 private immutable betaX0;
    uint256 private immutable betaY1;
    uint256 private immutable betaY0;
    uint256 private immutable gammaX1;
    uint256 private immutable gammaX0;
    uint256 private immutable gammaY1;
    uint256 private immutable gammaY0;
    uint256 private immutable deltaX1;
    uint256 private immutable deltaX0;
    uint256 private immutable deltaY1;
    uint256 private immutable deltaY0;
    uint256 private immutable constantX;
    uint256 private immutable constantY;
    uint256 private immutable forPX;
    uint256 private immutable forPY;
    uint256 private immutable forXX;
    uint256 private immutable forXY;
    uint256 private immutable forYX;
    uint256 private immutable forYY;

    /// @param key The circuit's key. Its points are checked by the precompiles here, once.
    /// @param wordCount_ Words of the circuit, 1 to 2,696.
    constructor(VerificationKey memory key, uint256 wordCount_) {
        if (wordCount_ == 0 || wordCount_ > MAX_WORDS) revert BadWordCount(wordCount_);
        _checkKey(key);
        wordCount = wordCount_;
        programId = keccak256(abi.encode(PROGRAM_TAG, wordCount_, key));
        (alphaX, alphaY) = (key.alpha[0], key.alpha[1]);
        (betaX1, betaX0) = (key.beta[0], key.beta[1]);
        (betaY1, betaY0) = (key.beta[2], key.beta[3]);
        (gammaX1, gammaX0) = (key.gamma[0], key.gamma[1]);
        (gammaY1, gammaY0) = (key.gamma[2], key.gamma[3]);
        (deltaX1, deltaX0) = (key.delta[0], key.delta[1]);
        (deltaY1, deltaY0) = (key.delta[2], key.delta[3]);
        (constantX, constantY) = (key.ic[0][0], key.ic[0][1]);
        (forPX, forPY) = (key.ic[1][0], key.ic[1][1]);
        (forXX, forXY) = (key.ic[2][0], key.ic[2][1]);
        (forYX, forYY) = (key.ic[3][0], key.ic[3][1]);
    }

    /// @inheritdoc IVerifier
    /// @dev Gas: about 208,000 and 130 a word; what is malformed answers false for less.
    function verify(bytes calldata proof, bytes32 publicInputsHash) external view returns (bool) {
        if (proof.length < WORDS_AT) return false;
        uint256 count = uint16(bytes2(proof[COUNT_AT:WORDS_AT]));
        if (count == 0 || count > wordCount) return false;
        if (proof.length != WORDS_AT + 32 * count) return false;
        uint256 p = uint256(bytes32(proof[P_AT:A_AT]));
        (bytes32 kd, uint256 x, uint256 y, bool inField) = _digest(proof, p);
        if (kd != publicInputsHash || p >= FIELD_ORDER || !inField) return false;

        (bool ok, uint256 inputsX, uint256 inputsY) = _inputs(p, x, y);
        return ok && _pairing(proof, inputsX, inputsY);
    }

    /// @inheritdoc IPayeeVerifier
    function payeeOf(bytes calldata proof) external pure returns (address) {
        return address(bytes20(proof[:P_AT]));
    }

    /// @dev Hash, challenge and value of the words, read from the last to the first (Horner's
    /// rule).
    function _digest(bytes calldata proof, uint256 p)
        private
        pure
        returns (bytes32 kd, uint256 x, uint256 y, bool inField)
    {
        uint256 bytesOfWords = proof.length - WORDS_AT;
        address payee = address(bytes20(proof[:P_AT]));
        bytes32 tag = TABLE_TAG;
        assembly ("memory-safe") {
            let free := mload(0x40)
            let first := add(proof.offset, WORDS_AT)
            mstore(free, tag)
            calldatacopy(add(free, 0x20), first, bytesOfWords)
            kd := keccak256(free, add(bytesOfWords, 0x20))

            mstore(free, kd)
            mstore(add(free, 0x20), p)
            mstore(add(free, 0x40), payee)
            x := mod(keccak256(free, 0x60), FIELD_ORDER)

            inField := 1
            for { let at := add(first, bytesOfWords) } gt(at, first) {} {
                at := sub(at, 0x20)
                let word := calldataload(at)
                inField := and(inField, lt(word, FIELD_ORDER))
                y := addmod(mulmod(y, x, FIELD_ORDER), word, FIELD_ORDER)
            }
        }
    }

    /// @dev constant + p·forP + x·forX + y·forY in G1. The scalars are below the order.
    function _inputs(uint256 p, uint256 x, uint256 y)
        private
        view
        returns (bool ok, uint256 sumX, uint256 sumY)
    {
        (ok, sumX, sumY) = _addProduct(constantX, constantY, forPX, forPY, p);
        if (ok) (ok, sumX, sumY) = _addProduct(sumX, sumY, forXX, forXY, x);
        if (ok) (ok, sumX, sumY) = _addProduct(sumX, sumY, forYX, forYY, y);
    }

    /// @dev (sumX, sumY) + scalar·(pointX, pointY), by the precompiles of EIP-196.
    function _addProduct(uint256 sumX, uint256 sumY, uint256 pointX, uint256 pointY, uint256 scalar)
        private
        view
        returns (bool ok, uint256 resultX, uint256 resultY)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, sumX)
            mstore(add(free, 0x20), sumY)
            mstore(add(free, 0x40), pointX)
            mstore(add(free, 0x60), pointY)
            mstore(add(free, 0x80), scalar)
            ok := staticcall(MUL_GAS, 0x07, add(free, 0x40), 0x60, add(free, 0x40), 0x40)
            ok := and(ok, eq(returndatasize(), 0x40))
            if ok {
                ok := staticcall(ADD_GAS, 0x06, free, 0x80, free, 0x40)
                ok := and(ok, eq(returndatasize(), 0x40))
            }
            resultX := mload(free)
            resultY := mload(add(free, 0x20))
        }
    }

    /// @dev e(−a, b) · e(alpha, beta) · e(inputs, gamma) · e(c, delta) = 1 (Groth, EUROCRYPT 2016,
    /// section 3.2). The precompile refuses points off the curves, out of the subgroup, and
    /// coordinates not below q.
    function _pairing(bytes calldata proof, uint256 inputsX, uint256 inputsY)
        private
        view
        returns (bool)
    {
        uint256[24] memory pairs;
        uint256[8] memory points;
        assembly ("memory-safe") {
            calldatacopy(points, add(proof.offset, A_AT), 0x100)
        }
        // No honest proof has the point at infinity, and off chain such proofs are refused.
        if (points[1] == 0 || points[1] >= COORDINATE_ORDER || points[7] == 0) return false;
        (pairs[0], pairs[1]) = (points[0], COORDINATE_ORDER - points[1]);
        (pairs[2], pairs[3], pairs[4], pairs[5]) = (points[2], points[3], points[4], points[5]);
        if (pairs[2] | pairs[3] | pairs[4] | pairs[5] == 0) return false;
        (pairs[6], pairs[7]) = (alphaX, alphaY);
        (pairs[8], pairs[9], pairs[10], pairs[11]) = (betaX1, betaX0, betaY1, betaY0);
        (pairs[12], pairs[13]) = (inputsX, inputsY);
        (pairs[14], pairs[15], pairs[16], pairs[17]) = (gammaX1, gammaX0, gammaY1, gammaY0);
        (pairs[18], pairs[19]) = (points[6], points[7]);
        (pairs[20], pairs[21], pairs[22], pairs[23]) = (deltaX1, deltaX0, deltaY1, deltaY0);
        return _isOne(pairs);
    }

    function _isOne(uint256[24] memory pairs) private view returns (bool one) {
        assembly ("memory-safe") {
            let answered := staticcall(PAIRING_GAS, 0x08, pairs, 0x300, 0x00, 0x20)
            one := and(and(answered, eq(returndatasize(), 0x20)), eq(mload(0x00), 1))
        }
    }

    /// @dev Reverts for a point off its curve: every proof would fail, better to learn it now. The
    /// precompile takes pairs, so each point of G1 is paired with some point of G2; only that it
    /// answers matters.
    function _checkKey(VerificationKey memory key) private view {
        bytes memory pairs = abi.encodePacked(
            abi.encodePacked(key.alpha, key.beta, key.ic[0], key.gamma, key.ic[1], key.delta),
            abi.encodePacked(key.ic[2], key.beta, key.ic[3], key.beta)
        );
        (bool answered, bytes memory result) = address(0x08).staticcall{gas: KEY_GAS}(pairs);
        if (!answered || result.length != 32) revert BadKey();
    }
}
