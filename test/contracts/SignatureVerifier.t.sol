// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SignatureVerifier} from "../../contracts/src/verifiers/SignatureVerifier.sol";
import {Base} from "./Base.sol";

/// @notice The owner's word, for one chain and one contract.
contract SignatureVerifierTest is Base {
    uint256 private constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant KEY = 0x5eed;
    uint256 private constant CHAIN = 31_337;

    SignatureVerifier private verifier;

    function setUp() public {
        vm.chainId(CHAIN);
        verifier = new SignatureVerifier(vm.addr(KEY));
    }

    function testOwnersWordIsAProof(bytes32 hash) public view {
        eq(verifier.verify(sign(KEY, CHAIN, address(verifier), hash), hash), true);
    }

    function testProgramIsTheOwner(address owner) public {
        vm.assume(owner != address(0));
        SignatureVerifier other = new SignatureVerifier(owner);
        eq(other.owner(), owner);
        eq(other.programId(), keccak256(abi.encode("proofwire/owner/1", owner)));
    }

    /// A failed recovery gives the zero address: it must not be an owner.
    function testNobodyIsNoOwner() public {
        vm.expectRevert(abi.encodeWithSelector(SignatureVerifier.BadOwner.selector));
        new SignatureVerifier(address(0));
    }

    function testAnothersWordIsNone(uint256 key, bytes32 hash) public view {
        key = bound(key, 1, N - 1);
        vm.assume(key != KEY);
        eq(verifier.verify(sign(key, CHAIN, address(verifier), hash), hash), false);
    }

    function testWordIsForOneStatement(bytes32 hash, bytes32 other) public view {
        vm.assume(hash != other);
        eq(verifier.verify(sign(KEY, CHAIN, address(verifier), hash), other), false);
    }

    function testWordIsForOneChainAndOneContract(uint64 chain, address where, bytes32 hash)
        public
        view
    {
        vm.assume(chain != CHAIN && where != address(verifier));
        eq(verifier.verify(sign(KEY, chain, address(verifier), hash), hash), false);
        eq(verifier.verify(sign(KEY, CHAIN, where, hash), hash), false);
    }

    function testMalformedProofsAreFalse(bytes calldata rubbish, uint256 place, uint8 flip)
        public
        view
    {
        eq(verifier.verify(rubbish, "statement"), false);
        bytes memory proof = sign(KEY, CHAIN, address(verifier), "statement");
        eq(verifier.verify(bytes.concat(proof, hex"00"), "statement"), false);
        vm.assume(flip != 0);
        place = place % proof.length;
        proof[place] = bytes1(uint8(proof[place]) ^ flip);
        eq(verifier.verify(proof, "statement"), false);
    }

    /// Of the two signatures anybody can make of one, the chain takes the one with the small s.
    function testMirroredSignatureIsFalse(bytes32 hash) public view {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest(CHAIN, address(verifier), hash));
        bytes memory mirrored = abi.encodePacked(r, N - uint256(s), v == 27 ? 28 : 27);
        eq(verifier.verify(mirrored, hash), false);
    }

    function sign(uint256 key, uint256 chain, address where, bytes32 hash)
        private
        pure
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest(chain, where, hash));
        return abi.encodePacked(r, s, v);
    }

    function digest(uint256 chain, address where, bytes32 hash) private pure returns (bytes32) {
        bytes32 inner = keccak256(abi.encode("proofwire/owner/1", chain, where, hash));
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", inner));
    }
}
