// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatchVerifier} from "../../../contracts/src/interfaces/IBatchVerifier.sol";
import {IRollups} from "../../../contracts/src/interfaces/IRollups.sol";
import {ITables} from "../../../contracts/src/interfaces/ITables.sol";
import {BatchVerifier} from "../../../contracts/src/verifiers/BatchVerifier.sol";
import {VerificationKey} from "../../../contracts/src/verifiers/CircuitKeys.sol";
import {Base} from "../Base.sol";
import {SampleProof} from "../SampleProof.sol";
import {Words} from "./Words.sol";

/// @notice Cheat codes that only these tests use.
interface SegmentVm {
    function etch(address account, bytes calldata code) external;
    function roll(uint256 blockNumber) external;
}

/// @notice One table of eight entries, really proven as eight segments of one entry, as two of four
/// and whole (`test/vectors/segment-proofs.json`), at one registry and one verifier.
contract SegmentedTableTest is Base, SampleProof, ITables {
    uint256 private constant BLOCK = 101;
    uint256 private constant CUTS = 3;
    uint256 private constant RECORD_BYTES = 310;
    uint256 private constant HEADER_BYTES = 8 * 32;
    uint256 private constant ENTRY_BYTES = 42 * 32;
    bytes32 private constant TAG = "proofwire/table/1";

    IRollups private registry;
    IBatchVerifier private verifier;
    bytes32 private programId;
    bytes32 private kd;
    bytes private canonical;
    bytes[CUTS] private proofs;

    function setUp() public {
        string memory file = text();
        programId = vm.parseJsonBytes32(file, ".programId");
        kd = vm.parseJsonBytes32(file, ".publicInputsHash");
        canonical = vm.parseJsonBytes(file, ".table");
        VerificationKey[] memory keys = new VerificationKey[](CUTS);
        string[CUTS] memory places = ["[0]", "[1]", "[2]"];
        for (uint256 i = 0; i < CUTS; i++) {
            keys[i] = keyIn(file, string.concat(".keys", places[i]));
            string memory path = string.concat(".cuts", places[i], ".tableProof");
            proofs[i] = vm.parseJsonBytes(file, path);
        }
        Table memory table = abi.decode(canonical, (Table));
        vm.chainId(table.chainId);
        SegmentVm(address(vm)).roll(BLOCK);
        registry = IRollups(place(table.venue, vm.deployCode("Rollups.sol:Rollups", "")));
        address checks = address(new BatchVerifier(keys));
        verifier = IBatchVerifier(place(table.programs[0].verifier, checks));
        for (uint64 id = 1; id <= 2; id++) {
            bytes32 root = firstRoot(table, id);
            eq(registry.register(address(0), address(verifier), programId, root, false), id);
        }
    }

    function firstRoot(Table memory table, uint64 id) private pure returns (bytes32) {
        for (uint256 i = 0; i < table.entries.length; i++) {
            StateDelta[] memory deltas = table.entries[i].deltas;
            for (uint256 j = 0; j < deltas.length; j++) {
                if (deltas[j].rollupId == id) return deltas[j].rootBefore;
            }
        }
        revert();
    }

    function place(address account, address code) private returns (address) {
        SegmentVm(address(vm)).etch(account, code.code);
        return account;
    }

    function post(bytes memory table, bytes32 hash, bytes memory proof) private {
        TableProof[] memory given = new TableProof[](1);
        given[0] = TableProof(address(verifier), programId, hash, proof);
        registry.post(sha256(table), table, given);
    }

    function testOneTableIsAcceptedHoweverItIsCut() public {
        eq(registry.publicInputsHash(canonical, address(verifier), programId), kd);
        eq(sha256(canonical), vm.parseJsonBytes32(text(), ".tableDigest"));
        for (uint256 i = 0; i < CUTS; i++) {
            eq(uint8(proofs[i][1]), [uint256(8), 2, 1][i]);
            post(canonical, kd, proofs[i]);
        }
    }

    function testEachSegmentIsWhatItsRequestNames() public view {
        string[CUTS] memory places = ["[0]", "[1]", "[2]"];
        string[8] memory indices = ["[0]", "[1]", "[2]", "[3]", "[4]", "[5]", "[6]", "[7]"];
        address payee = vm.parseJsonAddress(text(), ".payee");
        for (uint256 i = 0; i < CUTS; i++) {
            for (uint256 j = 0; j < uint8(proofs[i][1]); j++) {
                string memory path = string.concat(".cuts", places[i], ".segments", indices[j]);
                bytes32 hash = vm.parseJsonBytes32(text(), string.concat(path, ".hash"));
                bytes memory proof = vm.parseJsonBytes(text(), string.concat(path, ".proof"));
                eq(verifier.verify(proof, hash), true);
                eq(verifier.payeeOf(proof, hash), payee);
                eq(verifier.payeeOf(proofs[i], hash), payee);
                eq(verifier.verify(proofs[(i + 1) % CUTS], hash), false);
            }
        }
    }

    /// A bit of a root, of an amount, of an address: whoever changes one posts nothing.
    /// forge-config: default.fuzz.runs = 32
    function testOneWrongWordIsRefused(uint256 index, uint8 bit) public view {
        bytes memory words = wordsOf(0);
        index = bound(index, 0, words.length - 1);
        words[index] ^= bytes1(uint8(1 << (bit % 8)));
        bytes32 hash = keccak256(bytes.concat(TAG, words));
        for (uint256 i = 0; i < CUTS; i++) {
            bytes memory forged = withWords(i, words);
            eq(verifier.verify(forged, hash), false);
            eq(verifier.verify(forged, kd), false);
        }
    }

    /// forge-config: default.fuzz.runs = 32
    function testWrongRootIsRefusedByTheRegistry(uint256 index, uint8 bit) public {
        Table memory table = abi.decode(canonical, (Table));
        StateDelta memory delta = table.entries[bound(index, 0, 7)].deltas[0];
        delta.rootAfter ^= bytes32(uint256(1) << (bit % 250));
        bytes memory changed = abi.encode(table);
        (bool posted,) = address(this).call(abi.encodeCall(this.postAsGoodAsOneCan, (changed)));
        eq(posted, false);
        this.postAsGoodAsOneCan(canonical);
    }

    /// @dev Posts with the hash and the words of what is posted.
    function postAsGoodAsOneCan(bytes calldata table) external {
        bytes32 hash = registry.publicInputsHash(table, address(verifier), programId);
        bytes memory words = Words.words(abi.decode(table, (Table)), address(verifier), programId);
        post(table, hash, withWords(1, words));
    }

    /// forge-config: default.fuzz.runs = 32
    function testEntriesInAnotherOrderAreRefused(uint256 one, uint256 other) public view {
        (one, other) = (bound(one, 0, 7), bound(other, 0, 7));
        vm.assume(one != other);
        bytes memory words = wordsOf(0);
        for (uint256 k = 0; k < ENTRY_BYTES; k++) {
            (uint256 a, uint256 b) =
                (HEADER_BYTES + ENTRY_BYTES * one + k, HEADER_BYTES + ENTRY_BYTES * other + k);
            (words[a], words[b]) = (words[b], words[a]);
        }
        bytes32 hash = keccak256(bytes.concat(TAG, words));
        for (uint256 i = 0; i < CUTS; i++) {
            eq(verifier.verify(withWords(i, words), hash), false);
        }
    }

    /// forge-config: default.fuzz.runs = 32
    function testSegmentsInAnotherOrderAreRefused(uint256 one, uint256 other) public view {
        (one, other) = (bound(one, 0, 7), bound(other, 0, 7));
        vm.assume(one != other);
        bytes memory swapped = proofs[0];
        for (uint256 k = 0; k < RECORD_BYTES; k++) {
            (uint256 a, uint256 b) = (2 + RECORD_BYTES * one + k, 2 + RECORD_BYTES * other + k);
            (swapped[a], swapped[b]) = (swapped[b], swapped[a]);
        }
        eq(verifier.verify(swapped, kd), false);
    }

    /// Another cut of the same table is another table to a segment's proof.
    function testSegmentOfAnotherCutIsRefused() public view {
        bytes memory mixed = proofs[1];
        bytes memory whole = proofs[2];
        for (uint256 k = 0; k < RECORD_BYTES; k++) {
            mixed[2 + k] = whole[2 + k];
        }
        mixed[3] = 0x04;
        eq(verifier.verify(mixed, kd), false);
    }

    function wordsOf(uint256 cut) private view returns (bytes memory words) {
        bytes memory proof = proofs[cut];
        uint256 from = 2 + RECORD_BYTES * uint8(proof[1]);
        words = new bytes(proof.length - from);
        for (uint256 i = 0; i < words.length; i++) {
            words[i] = proof[from + i];
        }
    }

    function withWords(uint256 cut, bytes memory words) private view returns (bytes memory proof) {
        proof = proofs[cut];
        uint256 from = 2 + RECORD_BYTES * uint8(proof[1]);
        for (uint256 i = 0; i < words.length; i++) {
            proof[from + i] = words[i];
        }
    }

    function text() private view returns (string memory) {
        return vm.readFile("test/vectors/segment-proofs.json");
    }
}
