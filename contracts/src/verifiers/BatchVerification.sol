// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatchVerifier} from "../interfaces/IBatchVerifier.sol";
import {IPayeeVerifier, IVerifier} from "../interfaces/IVerifier.sol";
import {Bn254} from "../libraries/Bn254.sol";
import {CircuitKeys as Keys} from "./CircuitKeys.sol";
import {Batch, PairingBatch} from "./PairingBatch.sol";

/// @title The code of `BatchVerifier`: Groth16 over BN254, many proofs in one pairing
/// @notice A table is cut into segments of consecutive entries, each proven under the key of a
/// circuit that has room for it. Two things are proofs here (`protocol/proof.ts` reads and writes
/// the same bytes; integers are big-endian, points as EIP-197 has them):
///
///     segment  1 ‖ payee(20) ‖ table challenge(32) ‖ index(1) ‖ p(32) ‖ y(32) ‖ a, b, c (256)
///     table    2 ‖ count(1) ‖ count × (key(1) ‖ entries(1) ‖ payee(20) ‖ p(32) ‖ a, b, c (256))
///              ‖ words(32 each)
///
/// A table proof answers for kd, the keccak256 of all words; that is what a venue asks. A segment
/// proof answers for one segment, which is what is bought on the market; a table proof shows each
/// of its segments too, so `verify` and `payeeOf` take it for those.
///
///     table challenge X = keccak256(tag, kd, for each segment: key's id, entries, p)
///     segment's hash    = keccak256(tag, X, index, key's id, p)
///     point x           = keccak256(X, index, payee) mod r
///
/// Public signals of a circuit: the Poseidon digest p of the header and the segment's entries; x;
/// and y = Σ words[i]·x^i. All p and all words are fixed before any x is, so a y that fits both
/// means equal words. A segment proof shows no words: p, which it names, has fixed them.
/// `prover-agent/circuits/README.md` has the argument in full.
///
/// Its keys are the end of its code: `BatchVerifier` puts them there. Without them it is nothing.
contract BatchVerification is IBatchVerifier {
    /// @dev What a proof begins with.
    uint8 private constant SEGMENT = 1;
    uint8 private constant TABLE = 2;
    bytes32 private constant TABLE_TAG = "proofwire/table/1";
    bytes32 private constant CHALLENGE_TAG = "proofwire/segments/1";
    bytes32 private constant SEGMENT_TAG = "proofwire/segment/1";
    uint256 private constant HEADER_BYTES = 8 * 32;
    uint256 private constant ENTRY_BYTES = 42 * 32;
    uint256 private constant MAX_SEGMENTS = 64;

    /// @dev Parts of a segment proof, by offset.
    uint256 private constant SEGMENT_BYTES = 374;
    uint256 private constant CHALLENGE_AT = 21;
    uint256 private constant INDEX_AT = 53;
    uint256 private constant P_AT = 54;
    uint256 private constant Y_AT = 86;
    uint256 private constant POINTS_AT = 118;
    /// @dev Parts of a table proof's record of one segment.
    uint256 private constant RECORDS_AT = 2;
    uint256 private constant RECORD_BYTES = 310;
    uint256 private constant RECORD_PAYEE_AT = 2;
    uint256 private constant RECORD_P_AT = 22;
    uint256 private constant RECORD_POINTS_AT = 54;

    /// @dev A table proof, read. Offsets are into calldata.
    struct Shown {
        uint256[] keys;
        bytes32 kd;
        bytes32 challenge;
        uint256 count;
        uint256 wordsAt;
        uint256 wordsEnd;
    }

    /// @inheritdoc IBatchVerifier
    function programId() external pure returns (bytes32) {
        return bytes32(Keys.load()[Keys.PROGRAM_AT]);
    }

    /// @inheritdoc IBatchVerifier
    function keyCount() external pure returns (uint256) {
        return Keys.load()[Keys.NUMBER_AT];
    }

    /// @inheritdoc IBatchVerifier
    function keyAt(uint256 index) external pure returns (bytes32 id, uint256 wordCount) {
        uint256[] memory keys = Keys.load();
        if (index >= keys[Keys.NUMBER_AT]) revert Keys.BadKey(index);
        uint256 offset = Keys.KEYS_AT + Keys.KEY_WORDS * index;
        return (bytes32(keys[offset + Keys.ID_AT]), keys[offset + Keys.COUNT_AT]);
    }

    /// @inheritdoc IVerifier
    /// @dev Gas: about 203,000 for one segment and 49,000 for each further one, and 135 a word;
    /// what is malformed answers false for less.
    function verify(bytes calldata proof, bytes32 publicInputsHash) external view returns (bool) {
        if (proof.length == SEGMENT_BYTES && uint8(proof[0]) == SEGMENT) {
            return _verifySegment(proof, publicInputsHash);
        }
        (bool ok, Shown memory shown) = _readTable(proof);
        return ok && _verifyTable(proof, shown, publicInputsHash);
    }

    /// @inheritdoc IPayeeVerifier
    /// @dev Zero where the proof shows no segment with this hash.
    function payeeOf(bytes calldata proof, bytes32 publicInputsHash)
        external
        pure
        returns (address)
    {
        if (proof.length == SEGMENT_BYTES && uint8(proof[0]) == SEGMENT) {
            (bool named,) = _keyOfSegment(Keys.load(), proof, publicInputsHash);
            return named ? address(bytes20(proof[1:CHALLENGE_AT])) : address(0);
        }
        (bool ok, Shown memory shown) = _readTable(proof);
        if (!ok) return address(0);
        uint256 index = _segmentWith(proof, shown, publicInputsHash);
        if (index == shown.count) return address(0);
        uint256 offset = RECORDS_AT + RECORD_BYTES * index + RECORD_PAYEE_AT;
        return address(bytes20(proof[offset:offset + 20]));
    }

    // One segment alone

    function _verifySegment(bytes calldata proof, bytes32 publicInputsHash)
        private
        view
        returns (bool)
    {
        uint256[] memory keys = Keys.load();
        (bool named, uint256 key) = _keyOfSegment(keys, proof, publicInputsHash);
        uint256 p = _wordAt(proof, P_AT);
        uint256 y = _wordAt(proof, Y_AT);
        if (!named || p >= Bn254.FIELD_ORDER || y >= Bn254.FIELD_ORDER) return false;
        bytes32 challenge = bytes32(_wordAt(proof, CHALLENGE_AT));
        uint256 x = _point(challenge, uint8(proof[INDEX_AT]), bytes20(proof[1:CHALLENGE_AT]));
        Batch memory batch = PairingBatch.create(keys, 1);
        return PairingBatch.add(batch, key, 1, [p, x, y], proof[POINTS_AT:])
            && PairingBatch.holds(batch);
    }

    /// @dev Which key the hash names. The proof need not say: it is one of a few.
    function _keyOfSegment(uint256[] memory keys, bytes calldata proof, bytes32 publicInputsHash)
        private
        pure
        returns (bool named, uint256 key)
    {
        bytes32 challenge = bytes32(_wordAt(proof, CHALLENGE_AT));
        uint256 index = uint8(proof[INDEX_AT]);
        uint256 p = _wordAt(proof, P_AT);
        uint256 count = keys[Keys.NUMBER_AT];
        for (; key < count; key++) {
            bytes32 id = bytes32(keys[Keys.KEYS_AT + Keys.KEY_WORDS * key + Keys.ID_AT]);
            if (_segmentHash(challenge, index, id, p) == publicInputsHash) return (true, key);
        }
    }

    // A table of segments

    /// @dev Reads what does not depend on points: the words' hash, and the challenge. Not ok unless
    /// the segments' entries are exactly the table's and each fits its circuit.
    function _readTable(bytes calldata proof) private pure returns (bool, Shown memory shown) {
        if (proof.length < RECORDS_AT || uint8(proof[0]) != TABLE) return (false, shown);
        uint256 count = uint8(proof[1]);
        uint256 wordsAt = RECORDS_AT + RECORD_BYTES * count;
        if (count == 0 || count > MAX_SEGMENTS || proof.length < wordsAt + HEADER_BYTES) {
            return (false, shown);
        }
        uint256 wordBytes = proof.length - wordsAt;
        if (wordBytes > 32 * Keys.MAX_WORDS) return (false, shown);
        shown.keys = Keys.load();
        (shown.count, shown.wordsAt, shown.wordsEnd) = (count, wordsAt, proof.length);
        shown.kd = _tagged(TABLE_TAG, proof[wordsAt:]);

        bytes memory cut = new bytes(96 * count);
        uint256 entryBytes = 0;
        for (uint256 i = 0; i < count; i++) {
            uint256 offset = RECORDS_AT + RECORD_BYTES * i;
            (uint256 key, uint256 entries) = (uint8(proof[offset]), uint8(proof[offset + 1]));
            if (key >= shown.keys[Keys.NUMBER_AT] || entries == 0) return (false, shown);
            uint256 keyAt_ = Keys.KEYS_AT + Keys.KEY_WORDS * key;
            uint256 bytes_ = ENTRY_BYTES * entries;
            if (HEADER_BYTES + bytes_ > 32 * shown.keys[keyAt_ + Keys.COUNT_AT]) return (false, shown);
            entryBytes += bytes_;
            uint256 p = _wordAt(proof, offset + RECORD_P_AT);
            uint256 id = shown.keys[keyAt_ + Keys.ID_AT];
            assembly ("memory-safe") {
                let to := add(add(cut, 0x20), mul(96, i))
                mstore(to, id)
                mstore(add(to, 0x20), entries)
                mstore(add(to, 0x40), p)
            }
        }
        shown.challenge = keccak256(bytes.concat(CHALLENGE_TAG, shown.kd, cut));
        return (wordBytes == HEADER_BYTES + entryBytes, shown);
    }

    /// @dev Everything if it is asked about the table, one segment if it is asked about that.
    function _verifyTable(bytes calldata proof, Shown memory shown, bytes32 publicInputsHash)
        private
        view
        returns (bool)
    {
        bool whole = publicInputsHash == shown.kd;
        uint256 only = whole ? 0 : _segmentWith(proof, shown, publicInputsHash);
        if (only == shown.count) return false;
        Batch memory batch = PairingBatch.create(shown.keys, whole ? shown.count : 1);
        // Of everything that is shown, so that no part can be chosen to fit its coefficient.
        bytes32 seed = whole && shown.count > 1 ? keccak256(proof) : bytes32(0);
        uint256 from = shown.wordsAt + HEADER_BYTES;
        for (uint256 i = 0; i < shown.count; i++) {
            uint256 to = from + ENTRY_BYTES * uint8(proof[RECORDS_AT + RECORD_BYTES * i + 1]);
            if (whole || i == only) {
                uint256 r = batch.filled == 0 ? 1 : _coefficient(seed, i);
                if (!_addRecord(batch, proof, shown, i, r, from, to)) return false;
            }
            from = to;
        }
        return PairingBatch.holds(batch);
    }

    function _addRecord(
        Batch memory batch,
        bytes calldata proof,
        Shown memory shown,
        uint256 index,
        uint256 r,
        uint256 from,
        uint256 to
    ) private view returns (bool) {
        bytes calldata record = proof[RECORDS_AT + RECORD_BYTES * index:];
        uint256 p = _wordAt(record, RECORD_P_AT);
        bytes20 payee = bytes20(record[RECORD_PAYEE_AT:RECORD_P_AT]);
        uint256 x = _point(shown.challenge, index, payee);
        // The header's words come first, and so last in Horner's rule.
        (uint256 y, bool inField) = _evaluate(proof[from:to], x, 0);
        bool headerInField;
        (y, headerInField) =
            _evaluate(proof[shown.wordsAt:shown.wordsAt + HEADER_BYTES], x, y);
        if (p >= Bn254.FIELD_ORDER || !inField || !headerInField) return false;
        bytes calldata points = record[RECORD_POINTS_AT:RECORD_BYTES];
        return PairingBatch.add(batch, uint8(record[0]), r, [p, x, y], points);
    }

    /// @dev Which segment has this hash; the number of segments if none has.
    function _segmentWith(bytes calldata proof, Shown memory shown, bytes32 publicInputsHash)
        private
        pure
        returns (uint256 index)
    {
        for (; index < shown.count; index++) {
            uint256 offset = RECORDS_AT + RECORD_BYTES * index;
            bytes32 id = bytes32(shown.keys[Keys.KEYS_AT + Keys.KEY_WORDS * uint8(proof[offset]) + Keys.ID_AT]);
            uint256 p = _wordAt(proof, offset + RECORD_P_AT);
            if (_segmentHash(shown.challenge, index, id, p) == publicInputsHash) return index;
        }
    }

    // Hashes and words

    function _segmentHash(bytes32 challenge, uint256 index, bytes32 keyId, uint256 p)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(SEGMENT_TAG, challenge, index, keyId, p));
    }

    function _point(bytes32 challenge, uint256 index, bytes20 payee)
        private
        pure
        returns (uint256)
    {
        uint256 hash;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, challenge)
            mstore(add(free, 0x20), index)
            mstore(add(free, 0x40), shr(96, payee))
            hash := keccak256(free, 0x60)
        }
        return hash % Bn254.FIELD_ORDER;
    }

    /// @dev 128 bits that depend on everything that is shown.
    function _coefficient(bytes32 seed, uint256 index) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            mstore(0x00, seed)
            mstore(0x20, index)
            r := shr(128, keccak256(0x00, 0x40))
        }
    }

    function _tagged(bytes32 tag, bytes calldata words) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, tag)
            calldatacopy(add(free, 0x20), words.offset, words.length)
            hash := keccak256(free, add(words.length, 0x20))
        }
    }

    /// @dev Σ words[i]·x^i with `y` behind the last word, read from the last to the first (Horner's
    /// rule), and whether all are below the field order.
    function _evaluate(bytes calldata words, uint256 x, uint256 y)
        private
        pure
        returns (uint256 value, bool inField)
    {
        uint256 order = Bn254.FIELD_ORDER;
        assembly ("memory-safe") {
            value := y
            inField := 1
            let first := words.offset
            for { let offset := add(first, words.length) } gt(offset, first) {} {
                offset := sub(offset, 0x20)
                let word := calldataload(offset)
                inField := and(inField, lt(word, order))
                value := addmod(mulmod(value, x, order), word, order)
            }
        }
    }

    function _wordAt(bytes calldata data, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, offset))
        }
    }
}
