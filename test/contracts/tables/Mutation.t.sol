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
interface MutationVm {
    function etch(address account, bytes calldata code) external;
    function roll(uint256 blockNumber) external;
}

/// @notice The sample table with its real Groth16 proof (`test/vectors/table-proof.json`), at the
/// registry and the verifier it names: a bit is changed in every byte of it, in turn.
///
/// Whoever changes a table can do more than that: name the digest of the changed bytes, ask the
/// verifier about their hash, and write their words into the proof. All of that is done here, and
/// none of it helps.
contract MutationTest is Base, SampleProof, ITables {
    /// @dev Where a table proof's words begin, behind its one segment.
    uint256 private constant WORDS_AT = 312;
    uint256 private constant BLOCK = 101;

    IRollups private registry;
    IBatchVerifier private verifier;
    bytes32 private programId;
    bytes private canonical;
    bytes private proof;
    /// @dev Changes that still were a table, and so came as far as the proof's pairing.
    uint256 private tables;

    function setUp() public {
        string memory sample = json();
        programId = vm.parseJsonBytes32(sample, ".programId");
        canonical = vm.parseJsonBytes(sample, ".table");
        proof = vm.parseJsonBytes(sample, ".tableProof");
        Table memory table = abi.decode(canonical, (Table));
        vm.chainId(table.chainId);
        MutationVm(address(vm)).roll(BLOCK);

        address venue = vm.deployCode("Rollups.sol:Rollups", "");
        registry = IRollups(place(table.venue, venue));
        VerificationKey[] memory keys = new VerificationKey[](1);
        keys[0] = sampleKey();
        address checks = address(new BatchVerifier(keys));
        verifier = IBatchVerifier(place(table.programs[0].verifier, checks));
        bytes32 root = table.entries[0].deltas[0].rootBefore;
        eq(registry.register(address(0), address(verifier), programId, root, false), 1);
    }

    function testProvenTableIsPosted() public {
        this.post(canonical);
        eq(registry.waiting(firstKey()), 1);
    }

    function testEveryByteThatChangesMakesTheProofFail() public {
        for (uint256 index = 0; index < canonical.length; index++) {
            this.change(index); // a call of its own gives its memory back
        }
        // Offsets, lengths and padding allow no other value; the rest does.
        eq(tables > 400, true);
        eq(registry.waiting(firstKey()), 0);
        this.post(canonical);
        eq(registry.waiting(firstKey()), 1);
    }

    /// @dev Changes one byte, and finds that neither the registry nor the verifier is fooled.
    function change(uint256 index) external {
        bytes memory changed = canonical;
        // Neighbours have different bits changed, so that a field's high and low ones are.
        changed[index] ^= bytes1(uint8(1 << (index % 8)));
        (bool posted,) = address(this).call(abi.encodeCall(this.post, (changed)));
        eq(posted, false);
        (bool isTable, bytes32 hash) = hashOf(changed);
        if (!isTable) return;
        tables++;
        eq(verifier.verify(proof, hash), false);
        eq(verifier.verify(proofOf(abi.decode(changed, (Table))), hash), false);
    }

    /// @dev Posts these bytes, as well as one can who has the proof of the sample alone.
    function post(bytes calldata bytes_) external {
        (bool isTable, bytes32 hash) = hashOf(bytes_);
        TableProof[] memory proofs = new TableProof[](1);
        proofs[0] = TableProof(address(verifier), programId, hash, proof);
        if (isTable) proofs[0].proof = proofOf(abi.decode(bytes_, (Table)));
        registry.post(sha256(bytes_), bytes_, proofs);
    }

    /// @dev The hash the registry asks about; none for bytes that are no table it would take.
    function hashOf(bytes memory bytes_) private view returns (bool isTable, bytes32 hash) {
        try registry.publicInputsHash(bytes_, address(verifier), programId) returns (bytes32 kd) {
            return (true, kd);
        } catch {}
    }

    /// @dev The sample's proof with a table's words in the place of its own.
    function proofOf(Table memory table) private view returns (bytes memory forged) {
        forged = proof;
        bytes memory words = Words.words(table, address(verifier), programId);
        eq(words.length, forged.length - WORDS_AT);
        for (uint256 i = 0; i < words.length; i += 32) {
            assembly {
                mstore(add(add(forged, add(32, WORDS_AT)), i), mload(add(add(words, 32), i)))
            }
        }
    }

    function firstKey() private view returns (IRollups.Key memory) {
        Table memory table = abi.decode(canonical, (Table));
        bytes32 hash = keccak256(abi.encode(table.entries[0].action));
        bytes32 root = table.entries[0].deltas[0].rootBefore;
        return IRollups.Key(table.executor, hash, 1, root, uint64(BLOCK));
    }

    /// @dev Puts a contract's code where the table has it.
    function place(address account, address code) private returns (address) {
        MutationVm(address(vm)).etch(account, code.code);
        return account;
    }
}
