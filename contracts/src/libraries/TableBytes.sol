// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../interfaces/IRollups.sol";
import {ITables} from "../interfaces/ITables.sol";

/// @title Reading a table's canonical bytes
/// @notice The ABI encoding has one form that encoders write: every offset leads to where the
/// reader stands anyway, padding is zero, nothing lies between or behind. So the table is read from
/// front to back, each byte once, and all else is refused: the same as decoding, encoding again and
/// comparing, for less gas.
library TableBytes {
    /// @dev As in `protocol/table.ts`.
    uint256 private constant MAX_TABLE_BYTES = 131_072;
    /// @dev Fields of each struct, and their bits: two bytes a field, the first one lowest. 0x100
    /// is a whole word: a hash, or an offset or a signed number that is checked afterwards.
    uint256 private constant TABLE_FIELDS = 8;
    uint256 private constant TABLE_BITS = 0x0100_0100_0100_0040_0040_00a0_00a0_0040;
    uint256 private constant PROGRAM_FIELDS = 3;
    uint256 private constant PROGRAM_BITS = 0x0100_00a0_0040;
    uint256 private constant ENTRY_FIELDS = 3;
    uint256 private constant ENTRY_BITS = 0x0100_0100_0100;
    uint256 private constant DELTA_FIELDS = 6;
    uint256 private constant DELTA_BITS = 0x0100_0100_0100_0100_0100_0040;
    uint256 private constant ACTION_FIELDS = 9;
    uint256 private constant ACTION_BITS = 0x0100_0040_00a0_0001_0100_0080_00a0_0040_0008;

    /// @dev Where the reader stands in the call data, and where the table ends.
    struct Reader {
        uint256 place;
        uint256 end;
    }

    /// @notice Reverts with `NotCanonical` for anything `abi.encode(table)` does not write.
    function decode(bytes calldata canonical) internal pure returns (ITables.Table memory table) {
        if (canonical.length > MAX_TABLE_BYTES) revert IRollups.NotCanonical();
        Reader memory reader;
        uint256 target;
        assembly ("memory-safe") {
            mstore(reader, canonical.offset)
            mstore(add(reader, 0x20), add(canonical.offset, canonical.length))
            target := table
        }
        if (_word(reader) != 32) revert IRollups.NotCanonical();
        uint256 base = reader.place;
        _fields(reader, target, TABLE_FIELDS, TABLE_BITS);
        // Where pointers will stand there are offsets still.
        (uint256 programsOffset, uint256 entriesOffset) = (_load(target, 6), _load(target, 7));
        _standAt(reader, base, programsOffset);
        table.programs = _programs(reader);
        _standAt(reader, base, entriesOffset);
        table.entries = _entries(reader);
        if (reader.place != reader.end) revert IRollups.NotCanonical();
    }

    function _programs(Reader memory reader)
        private
        pure
        returns (ITables.Program[] memory programs)
    {
        programs = new ITables.Program[](_count(reader, PROGRAM_FIELDS));
        for (uint256 i = 0; i < programs.length; i++) {
            ITables.Program memory program = programs[i];
            uint256 target;
            assembly ("memory-safe") {
                target := program
            }
            _fields(reader, target, PROGRAM_FIELDS, PROGRAM_BITS);
        }
    }

    function _entries(Reader memory reader) private pure returns (ITables.Entry[] memory entries) {
        entries = new ITables.Entry[](_count(reader, 1));
        uint256 base = reader.place;
        uint256[] memory offsets = new uint256[](entries.length);
        for (uint256 i = 0; i < offsets.length; i++) {
            offsets[i] = _word(reader);
        }
        for (uint256 i = 0; i < offsets.length; i++) {
            _standAt(reader, base, offsets[i]);
            _readEntry(reader, entries[i]);
        }
    }

    function _readEntry(Reader memory reader, ITables.Entry memory entry) private pure {
        uint256 base = reader.place;
        uint256[ENTRY_FIELDS] memory offsets;
        uint256 target;
        assembly ("memory-safe") {
            target := offsets
        }
        _fields(reader, target, ENTRY_FIELDS, ENTRY_BITS);
        _standAt(reader, base, offsets[0]);
        entry.deltas = _deltas(reader);
        for (uint256 i = 1; i < ENTRY_FIELDS; i++) {
            _standAt(reader, base, offsets[i]);
            _readAction(reader, i == 1 ? entry.action : entry.next);
        }
    }

    function _deltas(Reader memory reader)
        private
        pure
        returns (ITables.StateDelta[] memory deltas)
    {
        deltas = new ITables.StateDelta[](_count(reader, DELTA_FIELDS));
        for (uint256 i = 0; i < deltas.length; i++) {
            ITables.StateDelta memory delta = deltas[i];
            uint256 target;
            assembly ("memory-safe") {
                target := delta
            }
            _fields(reader, target, DELTA_FIELDS, DELTA_BITS);
            int256 etherDelta = int256(_load(target, 3));
            if (etherDelta != int128(etherDelta)) revert IRollups.NotCanonical();
        }
    }

    function _readAction(Reader memory reader, ITables.Action memory action) private pure {
        uint256 base = reader.place;
        uint256 target;
        assembly ("memory-safe") {
            target := action
        }
        _fields(reader, target, ACTION_FIELDS, ACTION_BITS);
        if (_load(target, 0) > uint256(type(ITables.ActionType).max)) {
            revert IRollups.NotCanonical();
        }
        _standAt(reader, base, _load(target, 4));
        action.data = _bytes(reader);
    }

    function _bytes(Reader memory reader) private pure returns (bytes memory data) {
        uint256 length = _word(reader);
        uint256 place = reader.place;
        if (length > reader.end - place) revert IRollups.NotCanonical();
        data = msg.data[place:place + length];
        uint256 restBytes = length % 32;
        reader.place = place + length - restBytes;
        if (restBytes != 0 && _word(reader) << (8 * restBytes) != 0) {
            revert IRollups.NotCanonical();
        }
    }

    /// @dev An offset, counted from `base`, leads to where the reader stands.
    function _standAt(Reader memory reader, uint256 base, uint256 offset) private pure {
        if (reader.place - base != offset) revert IRollups.NotCanonical();
    }

    /// @dev Length of an array that fits into what is left, so that nobody pays for more memory
    /// than there is table.
    function _count(Reader memory reader, uint256 elementWords)
        private
        pure
        returns (uint256 count)
    {
        count = _word(reader);
        if (count > (reader.end - reader.place) / (32 * elementWords)) {
            revert IRollups.NotCanonical();
        }
    }

    /// @dev Reads the fields of a struct to where it stands in memory: a word each, as in the call
    /// data.
    function _fields(Reader memory reader, uint256 target, uint256 count, uint256 bits)
        private
        pure
    {
        for (uint256 i = 0; i < count; i++) {
            uint256 word = _word(reader);
            if (word >> uint16(bits >> (16 * i)) != 0) revert IRollups.NotCanonical();
            assembly ("memory-safe") {
                mstore(add(target, mul(i, 0x20)), word)
            }
        }
    }

    function _load(uint256 target, uint256 field) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(target, mul(field, 0x20)))
        }
    }

    function _word(Reader memory reader) private pure returns (uint256 word) {
        uint256 place = reader.place;
        if (reader.end - place < 32) revert IRollups.NotCanonical();
        reader.place = place + 32;
        assembly ("memory-safe") {
            word := calldataload(place)
        }
    }
}
