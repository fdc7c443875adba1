// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../../contracts/src/interfaces/IRollups.sol";
import {ITables} from "../../contracts/src/interfaces/ITables.sol";
import {TableBytes} from "../../contracts/src/libraries/TableBytes.sol";
import {TableRules} from "../../contracts/src/libraries/TableRules.sol";
import {Tables} from "../../contracts/src/libraries/Tables.sol";
import {Base} from "./Base.sol";

/// @dev The cheat codes this file needs.
interface ArraysVm {
    function parseJsonBytes32Array(string calldata json, string calldata key)
        external
        pure
        returns (bytes32[] memory);
    function parseJsonAddressArray(string calldata json, string calldata key)
        external
        pure
        returns (address[] memory);
}

/// @notice The registry's reader, and the compiler's with the encoder behind it.
contract Readers is ITables {
    function ours(bytes calldata canonical) external pure returns (Table memory) {
        return TableBytes.decode(canonical);
    }

    /// @dev Reverts for what does not encode to the same bytes again.
    function compilers(bytes calldata canonical) external pure returns (Table memory table) {
        table = abi.decode(canonical, (Table));
        if (keccak256(abi.encode(table)) != keccak256(canonical)) revert IRollups.NotCanonical();
    }
}

/// @notice Canonical bytes, hashes and words: the contracts' are those of `protocol/`, and nothing
/// but canonical bytes is read.
contract TableBytesTest is Base, ITables {
    ArraysVm private constant arraysVm = ArraysVm(address(vm));
    Readers private readers;
    string private json;
    bytes private golden;

    function setUp() public {
        readers = new Readers();
        json = vm.readFile("test/vectors/table.json");
        golden = vm.parseJsonBytes(json, ".canonical");
    }

    function testGoldenTableIsReadAndHashedAsOffChain() public view {
        eq(sha256(golden), vm.parseJsonBytes32(json, ".tableDigest"));
        Table memory table = readers.ours(golden);
        eq(keccak256(abi.encode(table)), keccak256(golden));
        TableRules.check(table);
        bytes32[] memory actions = arraysVm.parseJsonBytes32Array(json, ".actionHashes");
        bytes32[] memory nexts = arraysVm.parseJsonBytes32Array(json, ".nextHashes");
        eq(actions.length, table.entries.length);
        for (uint256 i = 0; i < actions.length; i++) {
            eq(Tables.hash(table.entries[i].action), actions[i]);
            eq(Tables.hash(table.entries[i].next), nexts[i]);
        }
    }

    function testGoldenTableHasTheWordsItHasOffChain() public {
        IRollups registry = IRollups(vm.deployCode("Rollups.sol:Rollups", ""));
        address[] memory verifiers = arraysVm.parseJsonAddressArray(json, ".verifiers");
        bytes32[] memory programIds = arraysVm.parseJsonBytes32Array(json, ".programIds");
        bytes32[] memory programWords = arraysVm.parseJsonBytes32Array(json, ".programWords");
        bytes32[] memory hashes = arraysVm.parseJsonBytes32Array(json, ".publicInputsHashes");
        string[2] memory lists = [".words0", ".words1"];
        bytes memory words = Tables.words(readers.ours(golden));
        eq(verifiers.length, lists.length);
        for (uint256 i = 0; i < lists.length; i++) {
            eq(bytes32(Tables.programWord(verifiers[i], programIds[i])), programWords[i]);
            eq(Tables.publicInputsHash(words, verifiers[i], programIds[i]), hashes[i]);
            eq(registry.publicInputsHash(golden, verifiers[i], programIds[i]), hashes[i]);
            bytes32[] memory expected = arraysVm.parseJsonBytes32Array(json, lists[i]);
            eq(words.length, 32 + 32 * expected.length);
            for (uint256 j = 0; j < expected.length; j++) {
                eq(wordOf(words, j + 1), expected[j]);
            }
        }
    }

    /// Every encoding is read back, whatever the fields.
    function testWhatIsEncodedIsRead(bytes32 seed, bytes calldata data) public view {
        bytes memory canonical = abi.encode(anyTable(seed, data));
        eq(keccak256(abi.encode(readers.ours(canonical))), keccak256(canonical));
    }

    /// @dev Up to 7 programs, 7 entries and 3 deltas each; every field, and every part of the data.
    function anyTable(bytes32 seed, bytes calldata data) private pure returns (Table memory table) {
        uint256 n = uint256(keccak256(abi.encode(seed)));
        table = Table({
            chainId: uint64(n),
            venue: address(uint160(n >> 1)),
            executor: address(uint160(n >> 2)),
            firstBlock: uint64(n >> 3),
            lastBlock: uint64(n >> 4),
            parentHash: seed,
            programs: new Program[](n % 8),
            entries: new Entry[]((n >> 3) % 8)
        });
        for (uint256 i = 0; i < table.programs.length; i++) {
            table.programs[i] = Program(uint64(n >> i), address(uint160(n >> i)), bytes32(n >> i));
        }
        for (uint256 i = 0; i < table.entries.length; i++) {
            n = uint256(keccak256(abi.encode(n)));
            StateDelta[] memory deltas = new StateDelta[](n % 4);
            for (uint256 j = 0; j < deltas.length; j++) {
                uint256 m = n >> (8 * j);
                deltas[j] = StateDelta(
                    uint64(m), bytes32(m), bytes32(n), int128(int256(m)), seed, bytes32(~m)
                );
            }
            table.entries[i] = Entry(deltas, anyAction(n >> 8, data), anyAction(n >> 16, data));
        }
    }

    function anyAction(uint256 n, bytes calldata data) private pure returns (Action memory) {
        return Action({
            actionType: ActionType(n % 6),
            rollupId: uint64(n),
            destination: address(uint160(n)),
            value: uint128(n >> 32),
            data: data[:n % (data.length + 1)],
            failed: n % 2 == 1,
            sourceAddress: address(uint160(n >> 64)),
            sourceRollup: uint64(n >> 16),
            scope: n
        });
    }

    /// One word of a table is another: read exactly where the compiler's reader and its encoder
    /// agree, and then as the same table.
    function testAnotherWordIsReadAsTheCompilerReads(uint256 place, uint256 word, uint8 kind)
        public
        view
    {
        bytes memory changed = golden;
        place = bound(place, 1, changed.length / 32);
        uint256 present = uint256(wordOf(changed, place - 1));
        // Near misses more often than not: another offset or length, a high bit, one bit.
        unchecked {
            if (kind % 4 == 0) word = present + 32 * bound(word, 0, 8);
        }
        if (kind % 4 == 1) word = present ^ (1 << (word % 256));
        if (kind % 4 == 2) word = bound(word, 0, 0x400);
        assembly {
            mstore(add(changed, mul(place, 0x20)), word)
        }
        agree(changed);
    }

    function testNothingIsReadFromShorterOrLongerBytes(uint256 length, bytes calldata tail)
        public
        view
    {
        bytes memory changed = golden;
        length = bound(length, 0, changed.length - 1);
        bytes memory longer = bytes.concat(changed, tail);
        assembly {
            mstore(changed, length)
        }
        (bool ok,) = read(Readers.ours.selector, changed);
        eq(ok, false);
        (ok,) = read(Readers.ours.selector, longer);
        eq(ok, tail.length == 0);
    }

    /// Arrays that claim to be longer than the table cost next to nothing.
    function testLengthsBeyondTheBytesAreCheap(uint256 count, uint8 place) public view {
        bytes memory canonical = abi.encode(emptyTable());
        // The lengths of an empty table's two arrays are its last words.
        uint256 word = canonical.length / 32 - place % 2;
        count = bound(count, 1, type(uint256).max);
        assembly {
            mstore(add(canonical, mul(word, 0x20)), count)
        }
        (bool ok,) = address(readers).staticcall{gas: 100_000}(
            abi.encodeWithSelector(Readers.ours.selector, canonical)
        );
        eq(ok, false);
    }

    function testNothingLongerThanTheLimitIsRead() public view {
        Table memory table = emptyTable();
        table.entries = new Entry[](1);
        uint256 rest = abi.encode(table).length;
        table.entries[0].next.data = new bytes(131_072 - rest);
        bytes memory canonical = abi.encode(table);
        eq(canonical.length, 131_072);
        readers.ours(canonical);
        table.entries[0].next.data = new bytes(131_072 - rest + 1);
        (bool ok,) = read(Readers.ours.selector, abi.encode(table));
        eq(ok, false);
    }

    function emptyTable() private pure returns (Table memory table) {
        table.chainId = 1;
    }

    /// @dev Both readers refuse it, ours by name, or both read the same.
    function agree(bytes memory canonical) private view {
        (bool expected, bytes memory table) = read(Readers.compilers.selector, canonical);
        (bool ok, bytes memory ours) = read(Readers.ours.selector, canonical);
        eq(ok, expected);
        if (ok) eq(keccak256(ours), keccak256(table));
        else eq(bytes32(bytes4(ours)), bytes32(IRollups.NotCanonical.selector));
    }

    function read(bytes4 reader, bytes memory canonical)
        private
        view
        returns (bool ok, bytes memory answer)
    {
        (ok, answer) = address(readers).staticcall(abi.encodeWithSelector(reader, canonical));
    }

    function wordOf(bytes memory data, uint256 place) private pure returns (bytes32 word) {
        assembly {
            word := mload(add(data, mul(add(place, 1), 0x20)))
        }
    }
}
