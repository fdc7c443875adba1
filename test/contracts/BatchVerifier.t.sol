// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatchVerifier} from "../../contracts/src/interfaces/IBatchVerifier.sol";
import {BatchVerifier} from "../../contracts/src/verifiers/BatchVerifier.sol";
import {VerificationKey} from "../../contracts/src/verifiers/CircuitKeys.sol";
import {Base} from "./Base.sol";
import {SampleProof} from "./SampleProof.sol";

/// @notice A real proof of the sample table under the tiny development key, as a segment's and as a
/// table's, whole and spoiled.
contract BatchVerifierTest is Base, SampleProof {
    uint256 private constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant Q =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;
    bytes32 private constant TAG = "proofwire/table/1";
    /// @dev A bad proof may cost this much; a good one costs about 215,000.
    uint256 private constant MAX_GAS = 600_000;

    /// @dev Where a segment proof has its points.
    uint256 private constant POINTS_AT = 118;
    uint256 private constant A_AT = 118;
    uint256 private constant B_AT = 182;
    uint256 private constant C_AT = 310;
    /// @dev Where a table proof of one segment has its words.
    uint256 private constant WORDS_AT = 312;

    IBatchVerifier private verifier;
    bytes private proof;
    bytes private tableProof;
    bytes32 private segmentHash;
    bytes32 private kd;
    address private payee;

    function setUp() public {
        vm.chainId(31_337);
        string memory sample = json();
        VerificationKey[] memory keys = new VerificationKey[](1);
        keys[0] = sampleKey();
        verifier = IBatchVerifier(address(new BatchVerifier(keys)));
        proof = vm.parseJsonBytes(sample, ".segmentProof");
        tableProof = vm.parseJsonBytes(sample, ".tableProof");
        segmentHash = vm.parseJsonBytes32(sample, ".segmentHash");
        kd = vm.parseJsonBytes32(sample, ".publicInputsHash");
        payee = vm.parseJsonAddress(sample, ".payee");
    }

    /// @dev Asks within a bound: a refusal must never eat what its caller has.
    function verifies(bytes memory bytes_, bytes32 hash) private view returns (bool) {
        return verifier.verify{gas: MAX_GAS}(bytes_, hash);
    }

    function refuses(bytes memory bytes_) private view {
        eq(verifies(bytes_, segmentHash), false);
    }

    function wordAt(bytes memory bytes_, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(bytes_, 0x20), offset))
        }
    }

    function with(uint256 offset, uint256 word) private view returns (bytes memory bytes_) {
        bytes_ = proof;
        assembly ("memory-safe") {
            mstore(add(add(bytes_, 0x20), offset), word)
        }
    }

    function testProofIsAccepted() public view {
        eq(verifies(proof, segmentHash), true);
        eq(verifies(tableProof, kd), true);
        eq(verifies(tableProof, segmentHash), true);
        eq(verifier.payeeOf(proof, segmentHash), payee);
        eq(verifier.payeeOf(tableProof, segmentHash), payee);
        eq(verifier.payeeOf(tableProof, kd), address(0));
    }

    /// The same arithmetic as the nodes', on a table that is no proof's.
    function testGoldenTableHasTheSameHashes() public view {
        string memory table = vm.readFile("test/vectors/table.json");
        uint256[] memory words = cheats().parseJsonUintArray(table, ".words0");
        bytes32 hash = vm.parseJsonBytes32(table, ".publicInputsHashes[0]");
        eq(keccak256(abi.encodePacked(TAG, words)), hash);
        uint256 p = vm.parseJsonUint(table, ".p");
        bytes32 id = vm.parseJsonBytes32(table, ".keyId");
        bytes32 challenge = keccak256(
            abi.encode(bytes32("proofwire/segments/1"), hash, id, (words.length - 8) / 42, p)
        );
        eq(challenge, vm.parseJsonBytes32(table, ".challenge"));
        bytes32 segment =
            keccak256(abi.encode(bytes32("proofwire/segment/1"), challenge, uint256(0), id, p));
        eq(segment, vm.parseJsonBytes32(table, ".segmentHash"));
        address payee_ = vm.parseJsonAddress(table, ".payee");
        uint256 x = uint256(keccak256(abi.encode(challenge, uint256(0), payee_))) % R;
        eq(x, vm.parseJsonUint(table, ".x"));
        uint256 y;
        for (uint256 i = words.length; i > 0; i--) {
            y = addmod(mulmod(y, x, R), words[i - 1], R);
        }
        eq(y, vm.parseJsonUint(table, ".y"));
        bytes32 digest = sha256(vm.parseJsonBytes(table, ".canonical"));
        eq(digest, vm.parseJsonBytes32(table, ".tableDigest"));
    }

    function testAnotherStatementIsRefused(bytes32 other) public view {
        vm.assume(other != segmentHash && other != kd);
        eq(verifies(proof, other), false);
        eq(verifies(tableProof, other), false);
        eq(verifies(proof, kd), false);
    }

    /// @dev Wherever a bit flips, payee, challenge, digest, value, points, nothing is left.
    function testAnyFlippedBitIsRefused(uint256 offset, uint8 bit) public view {
        bytes memory spoiled = proof;
        spoiled[offset % spoiled.length] ^= bytes1(uint8(1 << (bit % 8)));
        refuses(spoiled);
        spoiled = tableProof;
        spoiled[offset % spoiled.length] ^= bytes1(uint8(1 << (bit % 8)));
        eq(verifies(spoiled, kd), false);
        eq(verifies(spoiled, segmentHash), false);
    }

    /// @dev Other words whose hash is asked for are still not the words the circuit saw.
    function testOtherWordsUnderTheirOwnHashAreRefused(uint256 index, uint256 word) public view {
        bytes memory other = tableProof;
        uint256 offset = WORDS_AT + 32 * (index % ((other.length - WORDS_AT) / 32));
        word = word % R;
        if (word == wordAt(other, offset)) word = addmod(word, 1, R);
        assembly ("memory-safe") {
            mstore(add(add(other, 0x20), offset), word)
        }
        bytes memory words = new bytes(other.length - WORDS_AT);
        for (uint256 i = 0; i < words.length; i++) {
            words[i] = other[WORDS_AT + i];
        }
        eq(verifies(other, keccak256(abi.encodePacked(TAG, words))), false);
    }

    function testCoordinatesNotBelowTheirOrderAreRefused() public view {
        for (uint256 offset = POINTS_AT; offset < proof.length; offset += 32) {
            uint256 coordinate = wordAt(proof, offset);
            if (coordinate < type(uint256).max - Q) refuses(with(offset, coordinate + Q));
        }
    }

    function testPointsAtInfinityAreRefused() public view {
        uint256[4] memory ends = [A_AT, B_AT, C_AT, proof.length];
        for (uint256 i = 0; i < 3; i++) {
            bytes memory spoiled = proof;
            for (uint256 offset = ends[i]; offset < ends[i + 1]; offset++) {
                spoiled[offset] = 0;
            }
            refuses(spoiled);
        }
    }

    /// @dev The point of the twist with x = 1 lies on it, but is not of the prime order.
    function testPointOutsideTheSubgroupIsRefused() public view {
        bytes memory spoiled = proof;
        uint256[4] memory point = [
            uint256(0),
            1,
            15975588672102553735566230729081043132501226101599136527557730645158523614371,
            3610091866386166428467545612961983990332663701371483510632385378352395651980
        ];
        assembly ("memory-safe") {
            mcopy(add(add(spoiled, 0x20), B_AT), point, 0x80)
        }
        refuses(spoiled);
    }

    function testNegatedProofIsRefused() public view {
        refuses(with(A_AT + 32, Q - wordAt(proof, A_AT + 32)));
        refuses(with(C_AT + 32, Q - wordAt(proof, C_AT + 32)));
    }

    function cheats() private pure returns (ArrayVm) {
        return ArrayVm(address(vm));
    }
}

/// @notice A cheat code that only this test needs.
interface ArrayVm {
    function parseJsonUintArray(string calldata json, string calldata path)
        external
        pure
        returns (uint256[] memory);
}
