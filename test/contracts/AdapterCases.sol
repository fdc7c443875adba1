// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPayeeVerifier} from "../../contracts/src/interfaces/IVerifier.sol";
import {WrappedVerifier} from "../../contracts/src/verifiers/WrappedVerifier.sol";
import {Base} from "./Base.sol";
import {HostileVerifier, KnowingVerifier} from "./WrappedVerifiers.sol";

/// @notice An adapter whose proofs name their payee.
interface IPayeeAdapter is IPayeeVerifier {
    function programId() external view returns (bytes32);
}

/// @notice What every adapter to another project's verifier does, over one that behaves and over
/// ones that do not.
abstract contract AdapterCases is Base {
    bytes32 internal constant PROGRAM = keccak256("program");

    KnowingVerifier private known;
    WrappedVerifier private adapter;
    IPayeeAdapter private bound_;

    /// @dev The adapter under test, over a verifier, for a program.
    function plain(address wrapped, bytes32 program) internal virtual returns (WrappedVerifier);

    /// @dev The one whose proofs name their payee.
    function paid(address wrapped, bytes32 program) internal virtual returns (address);

    function setUp() public {
        known = new KnowingVerifier();
        (adapter, bound_) = _over(address(known));
    }

    function testProgramIdIsTheWrappedVerifiers() public view {
        eq(adapter.programId(), PROGRAM);
        eq(bound_.programId(), PROGRAM);
        eq(adapter.wrapped(), address(known));
    }

    function testProofOfTheHashIsGood(bytes32 hash) public view {
        eq(adapter.verify(_proof(hash), hash), true);
    }

    function testProofIsForOneHash(bytes32 hash, bytes32 other) public view {
        vm.assume(hash != other);
        eq(adapter.verify(_proof(hash), other), false);
    }

    function testProofIsForOneProgram(bytes32 hash, bytes32 program) public {
        vm.assume(program != PROGRAM);
        WrappedVerifier other = plain(address(known), program);
        eq(other.verify(_proof(hash), hash), false);
    }

    function testPayeeIsPartOfWhatIsProven(bytes32 hash, address payee) public view {
        bytes memory proof = _proof(hash, payee);
        eq(bound_.verify(proof, hash), true);
        eq(bound_.payeeOf(proof, hash), payee);
    }

    function testCopyWithAnotherPayeeIsNone(bytes32 hash, address payee, address thief)
        public
        view
    {
        vm.assume(payee != thief);
        bytes memory proof = _proof(hash, payee);
        bytes20 named = bytes20(thief);
        for (uint256 i = 0; i < 20; i++) {
            proof[i] = named[i];
        }
        eq(bound_.payeeOf(proof, hash), thief);
        eq(bound_.verify(proof, hash), false);
    }

    /// A proof of one kind is none of the other: the guest says which it is.
    function testKindsOfProofDoNotMix(bytes32 hash, address payee) public view {
        eq(bound_.verify(_proof(hash), hash), false);
        eq(bound_.verify(abi.encodePacked(payee, _proof(hash)), hash), false);
        eq(adapter.verify(_proof(hash, payee), hash), false);
    }

    function testFlippedBitSpoilsTheProof(bytes32 hash, address payee, uint256 place, uint8 bit)
        public
        view
    {
        bytes memory proof = _proof(hash, payee);
        place = bound(place, 0, proof.length - 1);
        proof[place] = bytes1(uint8(proof[place]) ^ uint8(1 << (bit % 8)));
        eq(bound_.verify(proof, hash), false);
        proof = _proof(hash);
        place = place % proof.length;
        proof[place] = bytes1(uint8(proof[place]) ^ uint8(1 << (bit % 8)));
        eq(adapter.verify(proof, hash), false);
    }

    function testRubbishIsFalse(bytes calldata rubbish, bytes32 hash) public view {
        eq(adapter.verify(rubbish, hash), false);
        eq(bound_.verify(rubbish, hash), false);
    }

    function testEmptyAndOverlongProofsAreNotAsked() public {
        HostileVerifier hostile = new HostileVerifier();
        (WrappedVerifier hashed, IPayeeAdapter paying) = _over(address(hostile));
        hostile.become(HostileVerifier.Way.Stop);
        eq(hashed.verify("", 0), false);
        eq(paying.verify(new bytes(20), 0), false);
        eq(hashed.verify(new bytes(16_384), 0), true);
        eq(hashed.verify(new bytes(16_385), 0), false);
        eq(paying.verify(new bytes(20 + 16_385), 0), false);
    }

    /// Silence is the only yes there is. The first way, silence, shows that the test would notice.
    function testWhateverElseTheVerifierDoesIsNo() public {
        HostileVerifier hostile = new HostileVerifier();
        (WrappedVerifier hashed, IPayeeAdapter paying) = _over(address(hostile));
        for (uint8 i = 0; i <= uint8(type(HostileVerifier.Way).max); i++) {
            HostileVerifier.Way way = HostileVerifier.Way(i);
            hostile.become(way);
            bool yes = way == HostileVerifier.Way.Stop || way == HostileVerifier.Way.Work;
            uint256 before = gasleft();
            eq(hashed.verify(new bytes(260), 0), yes);
            eq(paying.verify(new bytes(280), 0), yes);
            require(before - gasleft() < 2_200_000, "a hostile verifier costs too much");
        }
    }

    function testVerifierWithoutCodeIsNone(address empty) public {
        vm.assume(empty.code.length == 0 && uint160(empty) > 0xffff);
        vm.expectRevert(abi.encodeWithSelector(WrappedVerifier.NotAVerifier.selector, empty));
        plain(empty, PROGRAM);
    }

    /// What a call to nothing returns looks like a yes.
    function testVerifierThatLostItsCodeSaysNothing() public {
        HostileVerifier hostile = new HostileVerifier();
        (WrappedVerifier hashed, IPayeeAdapter paying) = _over(address(hostile));
        hostile.become(HostileVerifier.Way.Stop);
        vm.etch(address(hostile), "");
        eq(hashed.verify(new bytes(260), 0), false);
        eq(paying.verify(new bytes(280), 0), false);
    }

    function testVerifierThatTakesAnEmptyProofIsNone() public {
        HostileVerifier hostile = new HostileVerifier();
        hostile.become(HostileVerifier.Way.Stop);
        bytes memory reason =
            abi.encodeWithSelector(WrappedVerifier.NotAVerifier.selector, address(hostile));
        vm.expectRevert(reason);
        paid(address(hostile), PROGRAM);
    }

    /// A caller must not be able to make a good proof look bad.
    function testTooLittleGasIsNoAnswer(uint256 gas_) public {
        HostileVerifier hostile = new HostileVerifier();
        (WrappedVerifier hashed,) = _over(address(hostile));
        hostile.become(HostileVerifier.Way.Work);
        gas_ = bound(gas_, 20_000, 1_200_000);
        try hashed.verify{gas: gas_}(new bytes(260), 0) returns (bool valid) {
            eq(valid, true);
        } catch {}
    }

    function testNoPayeeInTooFewBytes() public {
        vm.expectRevert();
        bound_.payeeOf(new bytes(19), 0);
        eq(bound_.verify(new bytes(19), 0), false);
    }

    function _over(address wrapped) private returns (WrappedVerifier, IPayeeAdapter) {
        return (plain(wrapped, PROGRAM), IPayeeAdapter(paid(wrapped, PROGRAM)));
    }

    function _proof(bytes32 hash) private view returns (bytes memory) {
        return known.proofOf(PROGRAM, sha256(abi.encodePacked(hash)));
    }

    function _proof(bytes32 hash, address payee) private view returns (bytes memory) {
        bytes memory seal = known.proofOf(PROGRAM, sha256(abi.encodePacked(hash, payee)));
        return abi.encodePacked(payee, seal);
    }
}
