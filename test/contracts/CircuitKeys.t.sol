// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatchVerifier} from "../../contracts/src/interfaces/IBatchVerifier.sol";
import {BatchVerifier} from "../../contracts/src/verifiers/BatchVerifier.sol";
import {CircuitKeys, VerificationKey} from "../../contracts/src/verifiers/CircuitKeys.sol";
import {Forger} from "./Forger.sol";
import {SampleProof} from "./SampleProof.sol";

/// @notice Which keys a verifier may be made of, and what it says of them.
contract CircuitKeysTest is Forger, SampleProof {
    uint256 private constant ANVIL = 31_337;
    uint256 private constant GETH_DEV = 1_337;

    function refused(VerificationKey[] memory keys, bytes memory reason) private {
        vm.expectRevert(reason);
        new BatchVerifier(keys);
    }

    function developmentKeys() private view returns (VerificationKey[] memory keys) {
        keys = new VerificationKey[](1);
        keys[0] = sampleKey();
    }

    function testKeysAreNamedInTheirOrder() public {
        IBatchVerifier verifier = deployForged();
        eq(verifier.keyCount(), KEYS);
        bytes memory ids = abi.encodePacked(bytes32("proofwire/circuits/1"));
        for (uint256 i = 0; i < KEYS; i++) {
            (bytes32 id, uint256 wordCount) = verifier.keyAt(i);
            eq(id, keyId(i));
            eq(wordCount, 8 + 42 * room(i));
            ids = bytes.concat(ids, id);
        }
        eq(verifier.programId(), keccak256(ids));
        vm.expectRevert(abi.encodeWithSelector(CircuitKeys.BadKey.selector, KEYS));
        verifier.keyAt(KEYS);
    }

    function testNamesAreTheNodes() public {
        vm.chainId(ANVIL);
        IBatchVerifier verifier = IBatchVerifier(address(new BatchVerifier(developmentKeys())));
        (bytes32 id,) = verifier.keyAt(0);
        eq(id, vm.parseJsonBytes32(json(), ".keyId"));
        eq(verifier.programId(), vm.parseJsonBytes32(json(), ".programId"));
    }

    /// Provers know a verifier by the hash of its code.
    function testEqualKeysMakeEqualCode() public {
        bytes32 one = address(deployForged()).codehash;
        eq(address(deployForged()).codehash, one);
        VerificationKey[] memory other = forgedKeys();
        (other[0], other[1]) = (other[1], other[0]);
        eq(address(new BatchVerifier(other)).codehash == one, false);
    }

    /// An INSECURE key guards nobody's money, whatever is said of it.
    function testDevelopmentKeyIsRefusedOnAnyOtherChain(uint64 chainId) public {
        vm.assume(chainId != ANVIL && chainId != GETH_DEV && chainId != 0);
        VerificationKey[] memory keys = developmentKeys();
        vm.chainId(chainId);
        refused(keys, abi.encodeWithSelector(CircuitKeys.InsecureKey.selector, 0, chainId));
        keys[0].alpha = times(7); // half of its trapdoor is as good as none
        refused(keys, abi.encodeWithSelector(CircuitKeys.InsecureKey.selector, 0, chainId));
    }

    /// Nor does one to which nobody has contributed: its trapdoor is the number 1.
    function testUntouchedKeyIsRefusedOnAnyOtherChain() public {
        vm.chainId(1);
        bytes memory reason = abi.encodeWithSelector(CircuitKeys.InsecureKey.selector, 0, 1);
        VerificationKey[] memory keys = developmentKeys();
        uint256[4] memory drawn = keys[0].beta; // no generator
        (keys[0].alpha, keys[0].delta) = (times(7), drawn);
        new BatchVerifier(keys);
        keys[0].alpha = times(1);
        refused(keys, reason);
        (keys[0].alpha, keys[0].delta) = (times(7), generator());
        refused(keys, reason);
        (keys[0].delta, keys[0].beta) = (drawn, generator());
        refused(keys, reason);
    }

    function testDevelopmentKeyIsTakenOnDevelopmentChains() public {
        vm.chainId(ANVIL);
        new BatchVerifier(developmentKeys());
        vm.chainId(GETH_DEV);
        new BatchVerifier(developmentKeys());
    }

    function testKeysAreOfOnePhaseOne() public {
        VerificationKey[] memory keys = forgedKeys();
        keys[2].alpha = times(6);
        refused(keys, abi.encodeWithSelector(CircuitKeys.OtherPhaseOne.selector, 2));
        keys = forgedKeys();
        keys[1].gamma = keys[1].delta;
        refused(keys, abi.encodeWithSelector(CircuitKeys.OtherPhaseOne.selector, 1));
    }

    function testEveryPointIsOne(uint8 key, uint8 point) public {
        VerificationKey[] memory keys = forgedKeys();
        uint256 index = key % KEYS;
        if (point % 5 == 4) keys[index].delta[2] = addmod(keys[index].delta[2], 1, Q);
        else keys[index].ic[point % 5][1] = addmod(keys[index].ic[point % 5][1], 1, Q);
        refused(keys, abi.encodeWithSelector(CircuitKeys.BadKey.selector, index));
    }

    function testKeyCountIsOneToEight() public {
        bytes4 selector = CircuitKeys.BadKeyCount.selector;
        refused(new VerificationKey[](0), abi.encodeWithSelector(selector, 0));
        VerificationKey[] memory keys = new VerificationKey[](9);
        for (uint256 i = 0; i < 9; i++) {
            keys[i] = forgedKey(i % KEYS);
        }
        refused(keys, abi.encodeWithSelector(selector, 9));
    }

    function testWordCountIsThatOfACircuit() public {
        VerificationKey[] memory keys = forgedKeys();
        bytes4 selector = CircuitKeys.BadWordCount.selector;
        keys[1].wordCount = 0;
        refused(keys, abi.encodeWithSelector(selector, 0));
        keys[1].wordCount = 8 + 42 * 64 + 1;
        refused(keys, abi.encodeWithSelector(selector, keys[1].wordCount));
    }
}
