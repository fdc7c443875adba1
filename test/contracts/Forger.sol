// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatchVerifier} from "../../contracts/src/interfaces/IBatchVerifier.sol";
import {BatchVerifier} from "../../contracts/src/verifiers/BatchVerifier.sol";
import {VerificationKey} from "../../contracts/src/verifiers/CircuitKeys.sol";
import {Base} from "./Base.sol";

/// @notice Three circuits whose trapdoor is known here (beta and gamma are the generator, delta is
/// that or its negation), so that a test makes a proof of whatever it likes: c is a − alpha −
/// inputs, or its negation, all of them numbers.
abstract contract Forger is Base {
    uint256 internal constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 internal constant Q =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;
    bytes32 internal constant TABLE_TAG = "proofwire/table/1";
    bytes32 internal constant CHALLENGE_TAG = "proofwire/segments/1";
    bytes32 internal constant SEGMENT_TAG = "proofwire/segment/1";
    uint256 internal constant ALPHA = 5;
    uint256 internal constant KEYS = 3;

    bytes32[3] private _ids;

    /// @dev A table and how it is cut; what each segment's proof says.
    struct Cut {
        uint256[] words;
        uint8[] keys;
        uint8[] entries;
        address[] payees;
        uint256[] p;
    }

    /// @dev Entries the circuits have room for.
    function room(uint256 key) internal pure returns (uint256) {
        return [uint256(1), 4, 64][key];
    }

    function forgedKeys() internal view returns (VerificationKey[] memory keys) {
        keys = new VerificationKey[](KEYS);
        for (uint256 i = 0; i < KEYS; i++) {
            keys[i] = forgedKey(i);
        }
    }

    function forgedKey(uint256 index) internal view returns (VerificationKey memory key) {
        key.wordCount = 8 + 42 * room(index);
        key.alpha = times(ALPHA);
        (key.beta, key.gamma, key.delta) = (generator(), generator(), generator());
        if (index == 1) (key.delta[2], key.delta[3]) = (Q - key.delta[2], Q - key.delta[3]);
        uint256[4] memory ic = coefficients(index);
        for (uint256 i = 0; i < 4; i++) {
            key.ic[i] = times(ic[i]);
        }
    }

    /// @dev What the key's points for 1, p, x and y are multiples of the generator by.
    function coefficients(uint256 index) internal pure returns (uint256[4] memory) {
        uint256 base = 10 * index;
        return [base + 2, base + 3, base + 4, base + 7];
    }

    function deployForged() internal returns (IBatchVerifier) {
        for (uint256 i = 0; i < KEYS; i++) {
            _ids[i] = keccak256(abi.encode(bytes32("proofwire/groth16/1"), forgedKey(i)));
        }
        return IBatchVerifier(address(new BatchVerifier(forgedKeys())));
    }

    function keyId(uint256 index) internal view returns (bytes32) {
        return _ids[index];
    }

    // Tables

    /// @dev A table of so many entries, its words drawn from a seed.
    function tableOf(uint256 entries, bytes32 seed) internal pure returns (uint256[] memory words) {
        words = new uint256[](8 + 42 * entries);
        for (uint256 i = 0; i < words.length; i++) {
            words[i] = uint256(keccak256(abi.encode(seed, i))) % R;
        }
    }

    /// @dev Cuts a table as the seed likes, each segment under a circuit that has room for it.
    function cutOf(uint256[] memory words, bytes32 seed) internal pure returns (Cut memory it) {
        uint256 left = (words.length - 8) / 42;
        uint256 count = 0;
        it.words = words;
        (it.keys, it.entries) = (new uint8[](left), new uint8[](left));
        for (uint256 draw; left > 0; count++) {
            draw = uint256(keccak256(abi.encode(seed, "cut", count)));
            uint256 key = draw % KEYS;
            uint256 most = room(key) < left ? room(key) : left;
            it.keys[count] = uint8(key);
            it.entries[count] = uint8(1 + (draw >> 8) % most);
            left -= it.entries[count];
        }
        (it.keys, it.entries) = (shorten(it.keys, count), shorten(it.entries, count));
        fill(it, seed);
    }

    /// @dev All segments of one size under one key.
    function evenCut(uint256 entries, uint8 key, uint8 each) internal pure returns (Cut memory it) {
        it.words = tableOf(entries, "even");
        uint256 count = entries / each;
        (it.keys, it.entries) = (new uint8[](count), new uint8[](count));
        for (uint256 i = 0; i < count; i++) {
            (it.keys[i], it.entries[i]) = (key, each);
        }
        fill(it, "even");
    }

    function fill(Cut memory it, bytes32 seed) private pure {
        uint256 count = it.keys.length;
        (it.payees, it.p) = (new address[](count), new uint256[](count));
        for (uint256 i = 0; i < count; i++) {
            it.payees[i] = address(uint160(uint256(keccak256(abi.encode(seed, "payee", i)))));
            it.p[i] = uint256(keccak256(abi.encode(seed, "p", i))) % R;
        }
    }

    function shorten(uint8[] memory list, uint256 count) private pure returns (uint8[] memory) {
        assembly ("memory-safe") {
            mstore(list, count)
        }
        return list;
    }

    // What is said of them, written out once more

    function kdOf(uint256[] memory words) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(TABLE_TAG, words));
    }

    function challengeOf(Cut memory it) internal view returns (bytes32) {
        uint256[] memory parts = new uint256[](3 * it.keys.length);
        for (uint256 i = 0; i < it.keys.length; i++) {
            parts[3 * i] = uint256(keyId(it.keys[i]));
            (parts[3 * i + 1], parts[3 * i + 2]) = (it.entries[i], it.p[i]);
        }
        return keccak256(abi.encodePacked(CHALLENGE_TAG, kdOf(it.words), parts));
    }

    function hashOf(Cut memory it, uint256 index) internal view returns (bytes32) {
        bytes32 id = keyId(it.keys[index]);
        return keccak256(abi.encode(SEGMENT_TAG, challengeOf(it), index, id, it.p[index]));
    }

    function pointOf(Cut memory it, uint256 index, bytes32 challenge)
        internal
        pure
        returns (uint256)
    {
        return uint256(keccak256(abi.encode(challenge, index, it.payees[index]))) % R;
    }

    /// @dev Σ wordsᵢ·xⁱ of the header and a segment's entries.
    function valueOf(Cut memory it, uint256 index, uint256 x) internal pure returns (uint256 y) {
        uint256 power = 1;
        uint256 from = 8;
        for (uint256 i = 0; i < index; i++) {
            from += 42 * uint256(it.entries[i]);
        }
        for (uint256 i = 0; i < 8 + 42 * uint256(it.entries[index]); i++) {
            uint256 word = it.words[i < 8 ? i : from + i - 8];
            y = addmod(y, mulmod(word, power, R), R);
            power = mulmod(power, x, R);
        }
    }

    // Proofs

    function segmentProof(Cut memory it, uint256 index) internal view returns (bytes memory) {
        bytes32 challenge = challengeOf(it);
        uint256 x = pointOf(it, index, challenge);
        bytes memory head = abi.encodePacked(uint8(1), it.payees[index], challenge);
        bytes memory said = abi.encodePacked(uint8(index), it.p[index], valueOf(it, index, x));
        return bytes.concat(head, said, pointsOf(it, index, x));
    }

    function tableProof(Cut memory it) internal view returns (bytes memory proof) {
        uint256 count = it.keys.length;
        bytes32 challenge = challengeOf(it);
        proof = abi.encodePacked(uint8(2), uint8(count));
        for (uint256 i = 0; i < count; i++) {
            bytes memory said =
                abi.encodePacked(it.keys[i], it.entries[i], it.payees[i], it.p[i]);
            proof = bytes.concat(proof, said, pointsOf(it, i, pointOf(it, i, challenge)));
        }
        return bytes.concat(proof, abi.encodePacked(it.words));
    }

    function pointsOf(Cut memory it, uint256 index, uint256 x)
        internal
        view
        returns (bytes memory)
    {
        uint256 a = uint256(keccak256(abi.encode("a", x))) % R;
        return abi.encodePacked(times(a), generator(), times(numberC(it, index, x, a)));
    }

    /// @dev What c must be a multiple of the generator by, so that the equation holds.
    function numberC(Cut memory it, uint256 index, uint256 x, uint256 a)
        internal
        pure
        returns (uint256 c)
    {
        uint256[4] memory ic = coefficients(it.keys[index]);
        uint256 inputs = addmod(ic[0], mulmod(ic[1], it.p[index], R), R);
        inputs = addmod(inputs, mulmod(ic[2], x, R), R);
        inputs = addmod(inputs, mulmod(ic[3], valueOf(it, index, x), R), R);
        c = addmod(a, 2 * R - ALPHA - inputs, R);
        if (it.keys[index] == 1) c = R - c;
    }

    /// @dev `scalar` times G1's generator (1, 2), by the precompile of EIP-196.
    function times(uint256 scalar) internal view returns (uint256[2] memory point) {
        (bool done, bytes memory result) =
            address(0x07).staticcall(abi.encode(uint256(1), uint256(2), scalar));
        require(done, "no such point");
        return abi.decode(result, (uint256[2]));
    }

    /// @dev G2's, as EIP-197 gives it.
    function generator() internal pure returns (uint256[4] memory) {
        return [
            11559732032986387107991004021392285783925812861821192530917403151452391805634,
            10857046999023057135944570762232829481370756359578518086990519993285655852781,
            4082367875863433681332203403145435568316851327593401208105741076214120093531,
            8495653923123431417604973247489272438418190587263600148770280649306958101930
        ];
    }
}
