// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TableVerifier} from "../../contracts/src/verifiers/TableVerifier.sol";
import {Base} from "./Base.sol";

/// @notice How many words a proof may carry. The key's trapdoor is known here (beta, gamma and
/// delta are the generator itself), so the test makes a proof of whatever it likes: c = a − alpha −
/// inputs, all of them numbers.
contract TableWordsTest is Base {
    uint256 private constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    bytes32 private constant TAG = "proofwire/table/1";
    uint256 private constant WORDS = 30;
    uint256 private constant ALPHA = 5;
    address private constant PAYEE = address(0xbeef);

    TableVerifier private verifier;

    function setUp() public {
        verifier = new TableVerifier(_key(), WORDS);
    }

    function testAnyCountUpToTheCircuits(uint256 count, bytes32 seed) public view {
        uint256[] memory words = _words(bound(count, 1, WORDS), seed);
        eq(verifier.verify(_prove(words, words.length), _hash(words)), true);
    }

    function testMoreWordsThanTheCircuitHasAreRefused(uint256 count) public view {
        uint256[] memory words = _words(bound(count, WORDS + 1, 3 * WORDS), 0);
        eq(verifier.verify(_prove(words, words.length), _hash(words)), false);
    }

    function testNoWordsAreRefused() public view {
        uint256[] memory words = new uint256[](0);
        eq(verifier.verify(_prove(words, 0), _hash(words)), false);
    }

    /// The circuit cannot tell words that are missing from zeros; whoever asks can.
    function testZerosBehindTheWordsAreAnotherStatement(uint256 count, uint256 zeros) public view {
        uint256[] memory words = _words(bound(count, 1, WORDS - 1), "seed");
        uint256[] memory longer = new uint256[](bound(zeros, words.length + 1, WORDS));
        for (uint256 i = 0; i < words.length; i++) {
            longer[i] = words[i];
        }
        bytes memory proof = _prove(words, words.length);
        bytes memory more = new bytes(32 * (longer.length - words.length));
        bytes memory stretched = bytes.concat(proof, more);
        stretched[309] = bytes1(uint8(longer.length));
        eq(verifier.verify(proof, _hash(longer)), false);
        eq(verifier.verify(stretched, _hash(words)), false);
        eq(verifier.verify(stretched, _hash(longer)), false);
        eq(verifier.verify(_prove(longer, longer.length), _hash(longer)), true);
    }

    /// What is said to be there is there, and nothing else.
    function testCountIsTheWords(uint16 said) public view {
        uint256[] memory words = _words(7, "seed");
        bytes memory proof = _prove(words, said);
        eq(verifier.verify(proof, _hash(words)), said == 7);
    }

    /// The largest circuit fits the gas a claim may spend on verifying.
    function testMostWords() public {
        uint256 most = 8 + 42 * 64;
        TableVerifier.VerificationKey memory key = _key();
        TableVerifier largest = new TableVerifier(key, most);
        uint256[] memory words = _words(most, "seed");
        bytes memory proof = _prove(words, most);
        eq(largest.verify{gas: 1_000_000}(proof, _hash(words)), true);
        vm.expectRevert(abi.encodeWithSelector(TableVerifier.BadWordCount.selector, most + 1));
        new TableVerifier(key, most + 1);
    }

    function _words(uint256 count, bytes32 seed) private pure returns (uint256[] memory words) {
        words = new uint256[](count);
        for (uint256 i = 0; i < count; i++) {
            words[i] = uint256(keccak256(abi.encode(seed, i))) % R;
        }
    }

    function _hash(uint256[] memory words) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(TAG, words));
    }

    function _prove(uint256[] memory words, uint256 saidCount) private view returns (bytes memory) {
        uint256 p = uint256(keccak256(abi.encode("p", words))) % R;
        uint256 x = uint256(keccak256(abi.encode(_hash(words), p, PAYEE))) % R;
        uint256 y = 0;
        uint256 power = 1;
        for (uint256 i = 0; i < words.length; i++) {
            y = addmod(y, mulmod(words[i], power, R), R);
            power = mulmod(power, x, R);
        }
        // The key's points for 1, p, x and y are 2, 3, 4 and 7 times the generator.
        uint256 inputs = addmod(2, mulmod(3, p, R), R);
        inputs = addmod(inputs, addmod(mulmod(4, x, R), mulmod(7, y, R), R), R);
        uint256 a = uint256(keccak256(abi.encode("a", x))) % R;
        uint256 c = addmod(a, 2 * R - ALPHA - inputs, R);
        bytes memory points = abi.encodePacked(_times(a), _generator(), _times(c));
        return abi.encodePacked(PAYEE, p, points, uint16(saidCount), words);
    }

    function _key() private view returns (TableVerifier.VerificationKey memory key) {
        key.alpha = _times(ALPHA);
        key.beta = key.gamma = key.delta = _generator();
        key.ic = [_times(2), _times(3), _times(4), _times(7)];
    }

    /// @dev `scalar` times G1's generator (1, 2), by the precompile of EIP-196.
    function _times(uint256 scalar) private view returns (uint256[2] memory point) {
        (bool done, bytes memory result) =
            address(0x07).staticcall(abi.encode(uint256(1), uint256(2), scalar));
        require(done, "no such point");
        return abi.decode(result, (uint256[2]));
    }

    /// @dev G2's, as EIP-197 gives it.
    function _generator() private pure returns (uint256[4] memory) {
        return [
            11559732032986387107991004021392285783925812861821192530917403151452391805634,
            10857046999023057135944570762232829481370756359578518086990519993285655852781,
            4082367875863433681332203403145435568316851327593401208105741076214120093531,
            8495653923123431417604973247489272438418190587263600148770280649306958101930
        ];
    }
}
