// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITables} from "../interfaces/ITables.sol";

/// @title Execution tables as hashes and words
/// @notice The same as `protocol/table.ts` (action hash, scopes) and `protocol/words.ts` (words,
/// public inputs hash).
library Tables {
    /// @dev Order of BN254's groups: what a word is below.
    uint256 internal constant FIELD_ORDER =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev Bounds of `protocol/table.ts`.
    uint256 internal constant MAX_ENTRIES = 64;
    uint256 internal constant MAX_DATA_BYTES = 4096;
    /// @dev A scope's step is 16 bits wide; the highest are never in use.
    uint256 internal constant STEP_BITS = 16;
    uint256 internal constant SCOPE_BITS = 240;

    bytes32 private constant TABLE_TAG = "proofwire/table/1";
    uint256 private constant HEADER_WORDS = 8;
    uint256 private constant ENTRY_WORDS = 42;
    uint256 private constant DELTA_WORDS = 7;
    /// @dev 32-byte words of data that are shown whole.
    uint256 private constant OPEN_DATA_WORDS = 3;

    function hash(ITables.Action memory action) internal pure returns (bytes32) {
        return keccak256(abi.encode(action));
    }

    /// @notice A program as a word: what stands in the header and in the deltas it answers for.
    function programWord(address verifier, bytes32 programId) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(verifier, programId))) >> 8;
    }

    /// @notice The table's words behind their tag; the header's program is still zero.
    /// @dev Every word is below the field order where `TableRules` found no fault, and every
    /// delta's rollup has a program.
    function words(ITables.Table memory table) internal pure returns (bytes memory tagged) {
        ITables.Entry[] memory entries = table.entries;
        tagged = new bytes(32 * (1 + HEADER_WORDS + ENTRY_WORDS * entries.length));
        uint256 to = _put(_start(tagged), uint256(TABLE_TAG));
        to = _put(to, table.chainId);
        to = _put(to, uint160(table.venue));
        to = _put(to, uint160(table.executor));
        to = _put(to, table.firstBlock);
        to = _put(to, table.lastBlock);
        to = _put(to, uint256(table.parentHash) >> 128);
        to = _put(to, uint128(uint256(table.parentHash)));
        to = _put(to, 0);
        uint256[] memory programs = _programWords(table.programs);
        for (uint256 i = 0; i < entries.length; i++) {
            ITables.StateDelta[] memory deltas = entries[i].deltas;
            to = _putAction(to, entries[i].action);
            to = _putAction(to, entries[i].next);
            to = _putDelta(to, deltas[0], table.programs, programs);
            // Without a second delta its words stay zero.
            if (deltas.length > 1) _putDelta(to, deltas[1], table.programs, programs);
            to += 32 * DELTA_WORDS;
        }
    }

    /// @notice keccak256 of the words one program is asked about (`kd`).
    /// @param tagged What `words` gave; its program is set here.
    function publicInputsHash(bytes memory tagged, address verifier, bytes32 programId)
        internal
        pure
        returns (bytes32)
    {
        _put(_start(tagged) + 32 * HEADER_WORDS, programWord(verifier, programId));
        return keccak256(tagged);
    }

    /// @notice Whether `inner` is `scope` itself or inside it.
    function within(uint256 inner, uint256 scope) internal pure returns (bool) {
        return inner & ((1 << _bits(scope)) - 1) == scope;
    }

    /// @notice The frame inside `scope` that leads to `inner`, which is inside `scope`.
    function childTowards(uint256 inner, uint256 scope) internal pure returns (uint256) {
        return inner & ((1 << (_bits(scope) + STEP_BITS)) - 1);
    }

    /// @notice Whether `protocol/table.ts` would give this word: steps from the lowest bits up,
    /// none of them zero, at most 15.
    function isScope(uint256 scope) internal pure returns (bool) {
        uint256 bits = 0;
        while (bits < SCOPE_BITS && uint16(scope >> bits) != 0) {
            bits += STEP_BITS;
        }
        return scope >> bits == 0;
    }

    /// @dev Bits a scope's steps take. No step is zero, so the first zero ends it.
    function _bits(uint256 scope) private pure returns (uint256 bits) {
        while (scope >> bits != 0) {
            bits += STEP_BITS;
        }
    }

    function _programWords(ITables.Program[] memory programs)
        private
        pure
        returns (uint256[] memory all)
    {
        all = new uint256[](programs.length);
        for (uint256 i = 0; i < all.length; i++) {
            all[i] = programWord(programs[i].verifier, programs[i].programId);
        }
    }

    function _putAction(uint256 to, ITables.Action memory action) private pure returns (uint256) {
        to = _put(to, uint256(action.actionType) + 1);
        to = _put(to, action.rollupId);
        to = _put(to, uint160(action.destination));
        to = _put(to, action.value);
        to = _put(to, action.failed ? 1 : 0);
        to = _put(to, uint160(action.sourceAddress));
        to = _put(to, action.sourceRollup);
        to = _put(to, action.scope);
        return _putData(to, action.data);
    }

    /// @dev Length, head, three words, hash: `dataWords` of `protocol/words.ts`.
    function _putData(uint256 to, bytes memory data) private pure returns (uint256) {
        uint256 headBytes = data.length % 32;
        uint256 count = data.length / 32;
        uint256 from = _start(data) + headBytes;
        to = _put(to, data.length);
        bool open = count <= OPEN_DATA_WORDS;
        for (uint256 i = 0; open && i < count; i++) {
            open = _word(from + 32 * i) < FIELD_ORDER;
        }
        if (open && headBytes != 0) {
            // forge-lint: disable-next-line(incorrect-shift)
            _put(to, _word(_start(data)) >> (8 * (32 - headBytes)));
        }
        to += 32;
        for (uint256 i = 0; i < OPEN_DATA_WORDS; i++) {
            if (open && i < count) _put(to, _word(from + 32 * i));
            to += 32;
        }
        return _put(to, open ? 0 : uint256(keccak256(data)) >> 8);
    }

    function _putDelta(
        uint256 to,
        ITables.StateDelta memory delta,
        ITables.Program[] memory programs,
        uint256[] memory programWords
    ) private pure returns (uint256) {
        uint256 place = 0;
        while (programs[place].rollupId != delta.rollupId) {
            place++;
        }
        to = _put(to, delta.rollupId);
        to = _put(to, programWords[place]);
        to = _put(to, uint256(delta.rootBefore));
        to = _put(to, uint256(delta.rootAfter));
        int256 etherDelta = delta.etherDelta;
        // −v is r − v.
        to = _put(to, etherDelta < 0 ? FIELD_ORDER - uint256(-etherDelta) : uint256(etherDelta));
        to = _put(to, uint256(delta.sent));
        return _put(to, uint256(delta.received));
    }

    function _start(bytes memory data) private pure returns (uint256 to) {
        assembly ("memory-safe") {
            to := add(data, 0x20)
        }
    }

    function _word(uint256 to) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(to)
        }
    }

    /// @dev Writes one word into bytes this library made, and says where the next one goes.
    function _put(uint256 to, uint256 word) private pure returns (uint256) {
        assembly ("memory-safe") {
            mstore(to, word)
        }
        return to + 32;
    }
}
