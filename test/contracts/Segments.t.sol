// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatchVerifier} from "../../contracts/src/interfaces/IBatchVerifier.sol";
import {Forger} from "./Forger.sol";

/// @notice Tables cut into segments, proven under keys of several sizes, checked by one pairing.
contract SegmentsTest is Forger {
    uint256 private constant RECORD_BYTES = 310;

    IBatchVerifier private verifier;

    function setUp() public {
        verifier = deployForged();
    }

    /// @dev A bad proof must never eat what its caller has. 64 good segments, the most, take 4.58M.
    function verifies(bytes memory proof, bytes32 hash) private view returns (bool) {
        return verifier.verify{gas: 4_700_000}(proof, hash);
    }

    function any(uint256 entries, bytes32 seed) private pure returns (Cut memory) {
        return cutOf(tableOf(bound(entries, 1, 12), seed), seed);
    }

    function testAnyTableCutInAnyWayIsAccepted(uint256 entries, bytes32 seed) public view {
        Cut memory it = any(entries, seed);
        eq(verifies(tableProof(it), kdOf(it.words)), true);
    }

    /// The hash of the table is one, however it was cut, and so is what is posted.
    function testOneTableHasOneHashHoweverItIsCut(bytes32 one, bytes32 other) public view {
        uint256[] memory words = tableOf(8, "table");
        bytes32 kd = kdOf(words);
        eq(verifies(tableProof(cutOf(words, one)), kd), true);
        eq(verifies(tableProof(cutOf(words, other)), kd), true);
        eq(verifies(tableProof(cutOf(tableOf(8, "another"), one)), kd), false);
    }

    function testEachSegmentIsAcceptedAlone(uint256 entries, bytes32 seed) public view {
        Cut memory it = any(entries, seed);
        bytes memory whole = tableProof(it);
        for (uint256 i = 0; i < it.keys.length; i++) {
            bytes32 hash = hashOf(it, i);
            eq(verifies(segmentProof(it, i), hash), true);
            eq(verifies(whole, hash), true);
            eq(verifier.payeeOf(segmentProof(it, i), hash), it.payees[i]);
            eq(verifier.payeeOf(whole, hash), it.payees[i]);
        }
    }

    function testSegmentIsNoneOfAnother(uint256 entries, bytes32 seed, bytes32 other) public view {
        Cut memory it = any(entries, seed);
        bytes memory proof = segmentProof(it, 0);
        vm.assume(other != hashOf(it, 0));
        eq(verifies(proof, other), false);
        eq(verifies(tableProof(it), other), other == kdOf(it.words));
        eq(verifier.payeeOf(proof, other), address(0));
        eq(verifies(proof, kdOf(it.words)), false);
        for (uint256 i = 1; i < it.keys.length; i++) {
            eq(verifies(proof, hashOf(it, i)), false);
        }
    }

    function testSegmentOfAnotherTableIsRefused(bytes32 seed) public view {
        Cut memory it = evenCut(8, 1, 4);
        vm.assume(seed != "even"); // that is the same table
        Cut memory other = evenCut(8, 1, 4);
        other.words = tableOf(8, seed);
        bytes memory mixed = tableProof(it);
        copyRecord(tableProof(other), 1, mixed, 1);
        eq(verifies(tableProof(other), kdOf(other.words)), true);
        eq(verifies(mixed, kdOf(it.words)), false);
        eq(verifies(mixed, kdOf(other.words)), false);
    }

    function testSegmentsInAnotherOrderAreRefused() public view {
        Cut memory it = evenCut(8, 1, 4);
        bytes memory proof = tableProof(it);
        bytes memory swapped = tableProof(it);
        copyRecord(proof, 0, swapped, 1);
        copyRecord(proof, 1, swapped, 0);
        eq(verifies(proof, kdOf(it.words)), true);
        eq(verifies(swapped, kdOf(it.words)), false);
        // Nor do entries in another order help, under the hash that they have then.
        Cut memory turned = evenCut(8, 1, 4);
        for (uint256 i = 0; i < 4 * 42; i++) {
            (turned.words[8 + i], turned.words[8 + 4 * 42 + i]) =
                (it.words[8 + 4 * 42 + i], it.words[8 + i]);
        }
        bytes memory words = abi.encodePacked(turned.words);
        eq(verifies(withWords(swapped, words), kdOf(turned.words)), false);
        eq(verifies(withWords(proof, words), kdOf(turned.words)), false);
    }

    function testAnyOtherWordIsRefused(uint256 offset, uint256 word, bytes32 seed) public view {
        Cut memory it = cutOf(tableOf(5, seed), seed);
        bytes memory proof = tableProof(it);
        offset = bound(offset, 0, it.words.length - 1);
        word = word % R;
        vm.assume(word != it.words[offset]);
        it.words[offset] = word;
        bytes memory other = withWords(proof, abi.encodePacked(it.words));
        eq(verifies(other, kdOf(it.words)), false);
    }

    function testWordNotBelowTheFieldOrderIsRefused(uint256 offset, bytes32 seed) public view {
        Cut memory it = cutOf(tableOf(5, seed), seed);
        offset = bound(offset, 0, it.words.length - 1);
        it.words[offset] += R;
        eq(verifies(tableProof(it), kdOf(it.words)), false);
    }

    /// @dev Wherever a bit flips: payee, digest, points, key, entries, words.
    function testAnyFlippedBitIsRefused(uint256 offset, uint8 bit) public view {
        Cut memory it = evenCut(4, 1, 2);
        bytes memory proof = tableProof(it);
        proof[offset % proof.length] ^= bytes1(uint8(1 << (bit % 8)));
        eq(verifies(proof, kdOf(it.words)), false);
        bytes memory alone = segmentProof(it, 1);
        alone[offset % alone.length] ^= bytes1(uint8(1 << (bit % 8)));
        eq(verifies(alone, hashOf(it, 1)), false);
    }

    /// Two wrong proofs whose errors would cancel in a plain sum.
    function testErrorsDoNotCancel(uint256 error_) public view {
        error_ = bound(error_, 1, R - 1);
        Cut memory it = evenCut(2, 0, 1);
        bytes memory proof = tableProof(it);
        setC(it, proof, 0, error_);
        eq(verifies(proof, kdOf(it.words)), false);
        setC(it, proof, 1, R - error_);
        eq(verifies(proof, kdOf(it.words)), false);
        setC(it, proof, 0, 0);
        setC(it, proof, 1, 0);
        eq(verifies(proof, kdOf(it.words)), true);
    }

    function testAnotherPayeeIsRefused(address thief, bytes32 seed) public view {
        Cut memory it = cutOf(tableOf(3, seed), seed);
        vm.assume(thief != it.payees[0]);
        bytes memory proof = tableProof(it);
        bytes memory alone = segmentProof(it, 0);
        for (uint256 i = 0; i < 20; i++) {
            proof[2 + 2 + i] = alone[1 + i] = bytes20(thief)[i];
        }
        eq(verifies(proof, kdOf(it.words)), false);
        eq(verifies(alone, hashOf(it, 0)), false);
    }

    function testProofUnderAnotherKeyIsRefused() public view {
        Cut memory it = evenCut(8, 1, 4);
        bytes memory proof = tableProof(it);
        proof[2] = 0x02;
        eq(verifies(proof, kdOf(it.words)), false);
        proof[2] = 0x03; // there is no such key
        eq(verifies(proof, kdOf(it.words)), false);
        eq(verifier.payeeOf(proof, hashOf(it, 0)), address(0));
    }

    function testEntriesAreExactlyTheSegments(uint8 said) public view {
        Cut memory it = evenCut(8, 1, 4);
        bytes memory proof = tableProof(it);
        proof[3] = bytes1(said);
        eq(verifies(proof, kdOf(it.words)), said == 4);
        Cut memory shared = evenCut(8, 2, 4);
        shared.entries[0] = 3;
        shared.entries[1] = 5;
        eq(verifies(tableProof(shared), kdOf(shared.words)), true);
        shared.entries[1] = 4; // one entry is nobody's
        eq(verifies(tableProof(shared), kdOf(shared.words)), false);
        Cut memory full = evenCut(8, 1, 4);
        (full.entries[0], full.entries[1]) = (3, 5); // a circuit with room for four
        eq(verifies(tableProof(full), kdOf(full.words)), false);
    }

    function testSegmentWithoutEntriesIsRefused() public view {
        Cut memory it = evenCut(4, 1, 2);
        (it.entries[0], it.entries[1]) = (0, 4);
        eq(verifies(tableProof(it), kdOf(it.words)), false);
        it = evenCut(4, 1, 2);
        bytes memory none = tableProof(it);
        none[1] = 0;
        eq(verifies(none, kdOf(it.words)), false);
    }

    /// The longest table, in as many segments as it has entries, and one too many.
    function testMostSegments() public view {
        Cut memory it = evenCut(64, 0, 1);
        eq(verifies(tableProof(it), kdOf(it.words)), true);
        Cut memory more = evenCut(65, 0, 1);
        eq(verifies(tableProof(more), kdOf(more.words)), false);
        Cut memory whole = evenCut(64, 2, 64);
        eq(verifies(tableProof(whole), kdOf(whole.words)), true);
    }

    function testAnyOtherLengthIsRefused(uint16 length) public view {
        Cut memory it = evenCut(2, 0, 1);
        bytes memory proof = tableProof(it);
        vm.assume(length != proof.length);
        eq(verifies(resized(proof, length), kdOf(it.words)), false);
        bytes memory alone = segmentProof(it, 0);
        if (length != alone.length) eq(verifies(resized(alone, length), hashOf(it, 0)), false);
    }

    function testRubbishIsRefused(bytes calldata rubbish, bytes32 hash, uint8 kind) public view {
        eq(verifies(rubbish, hash), false);
        bytes memory headed = bytes.concat(bytes1(kind % 4), rubbish);
        eq(verifies(headed, hash), false);
        eq(verifier.payeeOf(headed, hash), address(0));
    }

    function testDigestNotBelowTheFieldOrderIsRefused() public view {
        Cut memory it = evenCut(2, 0, 1);
        it.p[1] += R;
        eq(verifies(tableProof(it), kdOf(it.words)), false);
        eq(verifies(segmentProof(it, 1), hashOf(it, 1)), false);
    }

    // Bytes of proofs

    function copyRecord(bytes memory from, uint256 i, bytes memory to, uint256 j) private pure {
        for (uint256 k = 0; k < RECORD_BYTES; k++) {
            to[2 + RECORD_BYTES * j + k] = from[2 + RECORD_BYTES * i + k];
        }
    }

    /// @dev Adds `error_` times the generator to a segment's c.
    function setC(Cut memory it, bytes memory proof, uint256 index, uint256 error_) private view {
        uint256 x = pointOf(it, index, challengeOf(it));
        uint256 a = uint256(keccak256(abi.encode("a", x))) % R;
        bytes memory c = abi.encodePacked(times(addmod(numberC(it, index, x, a), error_, R)));
        uint256 offset = 2 + RECORD_BYTES * (index + 1) - 64;
        for (uint256 k = 0; k < 64; k++) {
            proof[offset + k] = c[k];
        }
    }

    function withWords(bytes memory proof, bytes memory words)
        private
        pure
        returns (bytes memory other)
    {
        uint256 offset = 2 + RECORD_BYTES * uint8(proof[1]);
        other = bytes.concat(resized(proof, offset), words);
    }

    function resized(bytes memory from, uint256 length) private pure returns (bytes memory to) {
        to = new bytes(length);
        for (uint256 i = 0; i < length && i < from.length; i++) {
            to[i] = from[i];
        }
    }
}
