// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TableVerifier} from "../../contracts/src/verifiers/TableVerifier.sol";

/// @dev The cheat codes this file needs.
interface Cheats {
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key)
        external
        pure
        returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata key)
        external
        pure
        returns (bytes32);
    function parseJsonUint(string calldata json, string calldata key)
        external
        pure
        returns (uint256);
    function parseJsonUintArray(string calldata json, string calldata key)
        external
        pure
        returns (uint256[] memory);
    function parseJsonAddress(string calldata json, string calldata key)
        external
        pure
        returns (address);
    function expectRevert() external;
    function expectRevert(bytes calldata data) external;
}

/// @notice A real proof of the sample table under the tiny development key, whole and spoiled.
contract TableVerifierTest {
    Cheats private constant vm = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant Q =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;
    bytes32 private constant TAG = "proofwire/table/1";
    /// @dev A bad proof may cost this much; a good one costs about 205,000.
    uint256 private constant MAX_GAS = 600_000;

    uint256 private constant P_AT = 20;
    uint256 private constant A_AT = 52;
    uint256 private constant B_AT = 116;
    uint256 private constant C_AT = 244;
    uint256 private constant COUNT_AT = 308;
    uint256 private constant WORDS_AT = 310;

    TableVerifier private verifier;
    bytes private proof;
    bytes32 private publicInputsHash;
    address private payee;
    string private json;

    event log_named_uint(string key, uint256 value);

    function setUp() public {
        json = vm.readFile("test/vectors/table-proof.json");
        verifier = new TableVerifier(_key(), vm.parseJsonUint(json, ".wordCount"));
        proof = vm.parseJsonBytes(json, ".proof");
        publicInputsHash = vm.parseJsonBytes32(json, ".publicInputsHash");
        payee = vm.parseJsonAddress(json, ".payee");
    }

    function _key() private view returns (TableVerifier.VerificationKey memory key) {
        uint256[] memory alpha = vm.parseJsonUintArray(json, ".key.alpha");
        uint256[] memory beta = vm.parseJsonUintArray(json, ".key.beta");
        uint256[] memory gamma = vm.parseJsonUintArray(json, ".key.gamma");
        uint256[] memory delta = vm.parseJsonUintArray(json, ".key.delta");
        uint256[] memory ic = vm.parseJsonUintArray(json, ".key.ic");
        key.alpha = [alpha[0], alpha[1]];
        for (uint256 i = 0; i < 4; i++) {
            key.beta[i] = beta[i];
            key.gamma[i] = gamma[i];
            key.delta[i] = delta[i];
            key.ic[i] = [ic[2 * i], ic[2 * i + 1]];
        }
    }

    /// @dev Asks within a bound: a refusal must never eat what its caller has.
    function _verify(bytes memory bytes_, bytes32 hash) private view returns (bool) {
        return verifier.verify{gas: MAX_GAS}(bytes_, hash);
    }

    function _refuses(bytes memory bytes_) private view {
        require(!_verify(bytes_, publicInputsHash), "a spoiled proof was accepted");
    }

    function _word(bytes memory bytes_, uint256 offset) private pure returns (uint256 word) {
        assembly {
            word := mload(add(add(bytes_, 0x20), offset))
        }
    }

    function _with(uint256 offset, uint256 word) private view returns (bytes memory bytes_) {
        bytes_ = proof;
        assembly {
            mstore(add(add(bytes_, 0x20), offset), word)
        }
    }

    function test_AcceptsAProofOfItsProgram() public {
        bytes memory read = proof;
        bytes32 hash = publicInputsHash;
        uint256 before = gasleft();
        bool valid = verifier.verify(read, hash);
        uint256 used = before - gasleft();
        emit log_named_uint("gas of verify", used);
        require(valid, "the proof was refused");
        require(used < 250_000, "too much gas");
        require(verifier.payeeOf(proof) == payee, "wrong payee");
    }

    function test_NamesTheProgramAsTheNodesDo() public view {
        require(verifier.programId() == vm.parseJsonBytes32(json, ".programId"), "wrong programId");
    }

    /// @dev The same arithmetic as the nodes', on a table that is no proof's.
    function test_HashesAndEvaluatesTheGoldenTable() public view {
        string memory table = vm.readFile("test/vectors/table.json");
        uint256[] memory words = vm.parseJsonUintArray(table, ".words0");
        bytes32 kd = vm.parseJsonBytes32(table, ".publicInputsHashes[0]");
        uint256 p = vm.parseJsonUint(table, ".p");
        uint256 x = vm.parseJsonUint(table, ".x");
        require(keccak256(abi.encodePacked(TAG, words)) == kd, "kd differs");
        address payee_ = vm.parseJsonAddress(table, ".payee");
        require(uint256(keccak256(abi.encode(kd, p, payee_))) % R == x, "x differs");
        uint256 y;
        uint256 power = 1;
        for (uint256 i = 0; i < words.length; i++) {
            y = addmod(y, mulmod(words[i], power, R), R);
            power = mulmod(power, x, R);
        }
        require(y == vm.parseJsonUint(table, ".y"), "y differs");
        bytes32 digest = sha256(vm.parseJsonBytes(table, ".canonical"));
        require(digest == vm.parseJsonBytes32(table, ".tableDigest"), "digest differs");
    }

    function test_RefusesAnotherPayee() public view {
        bytes memory stolen = proof;
        bytes20 thief = bytes20(address(0xbad));
        for (uint256 i = 0; i < 20; i++) {
            stolen[i] = thief[i];
        }
        _refuses(stolen);
    }

    function test_RefusesAnotherStatement() public view {
        bytes32 other = bytes32(uint256(publicInputsHash) ^ 1);
        require(!_verify(proof, other), "another hash was accepted");
        require(!_verify(proof, bytes32(0)), "the zero hash was accepted");
    }

    /// @dev Wherever a bit flips, payee, digest, points, count or words, nothing of the proof is
    /// left.
    function testFuzz_RefusesAnyFlippedBit(uint256 offset, uint8 bit) public view {
        bytes memory spoiled = proof;
        offset = offset % spoiled.length;
        spoiled[offset] = bytes1(uint8(spoiled[offset]) ^ uint8(1 << (bit % 8)));
        _refuses(spoiled);
    }

    function test_RefusesAFlippedBitOfEveryPart() public view {
        uint256[10] memory places = [
            uint256(0), 19, P_AT, A_AT, A_AT + 63, B_AT, B_AT + 127, C_AT + 63, COUNT_AT + 1, WORDS_AT
        ];
        for (uint256 i = 0; i < places.length; i++) {
            bytes memory spoiled = proof;
            spoiled[places[i]] = bytes1(uint8(spoiled[places[i]]) ^ 1);
            _refuses(spoiled);
        }
    }

    /// @dev Other words whose hash is asked for are still not the words the circuit saw.
    function testFuzz_RefusesOtherWordsUnderTheirOwnHash(uint256 index, uint256 word) public view {
        uint256 count = (proof.length - WORDS_AT) / 32;
        uint256 offset = WORDS_AT + 32 * (index % count);
        word = word % R;
        if (word == _word(proof, offset)) word = addmod(word, 1, R);
        bytes memory other = _with(offset, word);
        require(!_verify(other, _hash(other)), "other words were accepted");
    }

    function test_RefusesAWordNotBelowTheFieldOrder() public view {
        // The same word to the circuit, another one to whoever reads the table.
        uint256 offset = WORDS_AT + 32 * 5;
        bytes memory aliased = _with(offset, _word(proof, offset) + R);
        require(!_verify(aliased, _hash(aliased)), "an aliased word was accepted");
        _refuses(_with(P_AT, _word(proof, P_AT) + R));
    }

    function test_RefusesCoordinatesNotBelowTheirOrder() public view {
        for (uint256 offset = A_AT; offset < COUNT_AT; offset += 32) {
            uint256 coordinate = _word(proof, offset);
            if (coordinate < type(uint256).max - Q) _refuses(_with(offset, coordinate + Q));
        }
    }

    function test_RefusesPointsAtInfinity() public view {
        bytes memory spoiled = _with(A_AT, 0);
        for (uint256 i = 32; i < 64; i++) {
            spoiled[A_AT + i] = 0;
        }
        _refuses(spoiled);
        spoiled = proof;
        for (uint256 offset = B_AT; offset < C_AT; offset++) {
            spoiled[offset] = 0;
        }
        _refuses(spoiled);
        spoiled = proof;
        for (uint256 offset = C_AT; offset < COUNT_AT; offset++) {
            spoiled[offset] = 0;
        }
        _refuses(spoiled);
    }

    /// @dev The point of the twist with x = 1 lies on it, but is not of the prime order.
    function test_RefusesAPointOutsideTheSubgroup() public view {
        bytes memory spoiled = proof;
        uint256[4] memory point = [
            uint256(0),
            1,
            15975588672102553735566230729081043132501226101599136527557730645158523614371,
            3610091866386166428467545612961983990332663701371483510632385378352395651980
        ];
        assembly {
            mcopy(add(add(spoiled, 0x20), B_AT), point, 0x80)
        }
        _refuses(spoiled);
    }

    function test_RefusesTheNegatedProof() public view {
        _refuses(_with(A_AT + 32, Q - _word(proof, A_AT + 32)));
        _refuses(_with(C_AT + 32, Q - _word(proof, C_AT + 32)));
    }

    function testFuzz_RefusesAnyOtherLength(uint16 length) public view {
        if (length == proof.length) length++;
        bytes memory other = new bytes(length);
        for (uint256 i = 0; i < length && i < proof.length; i++) {
            other[i] = proof[i];
        }
        _refuses(other);
    }

    function testFuzz_RefusesRubbish(bytes calldata rubbish, bytes32 hash) public view {
        require(!_verify(rubbish, hash), "rubbish was accepted");
    }

    function test_HasNoPayeeInTooFewBytes() public {
        vm.expectRevert();
        verifier.payeeOf(hex"0102");
    }

    function test_CannotBeDeployedWithABadKey() public {
        TableVerifier.VerificationKey memory key = _key();
        key.ic[3][1] = addmod(key.ic[3][1], 1, Q);
        vm.expectRevert(abi.encodeWithSelector(TableVerifier.BadKey.selector));
        new TableVerifier(key, 19);
        key = _key();
        key.delta[2] = addmod(key.delta[2], 1, Q);
        vm.expectRevert(abi.encodeWithSelector(TableVerifier.BadKey.selector));
        new TableVerifier(key, 19);
    }

    function test_CannotBeDeployedWithoutWords() public {
        vm.expectRevert(abi.encodeWithSelector(TableVerifier.BadWordCount.selector, 0));
        new TableVerifier(_key(), 0);
    }

    /// @dev The hash of a proof's own words.
    function _hash(bytes memory bytes_) private pure returns (bytes32) {
        bytes memory words = new bytes(bytes_.length - WORDS_AT);
        for (uint256 i = 0; i < words.length; i++) {
            words[i] = bytes_[WORDS_AT + i];
        }
        return keccak256(abi.encodePacked(TAG, words));
    }
}
