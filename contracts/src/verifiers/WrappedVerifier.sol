// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IVerifier} from "../interfaces/IVerifier.sol";

/// @title What adapters to another project's verifier share
/// @notice Such a verifier reverts when a proof is bad and returns nothing when it is good. Ours
/// answers true or false and survives whatever the other one does: it reverts, answers something
/// else, burns all its gas, or has no code.
///
/// The guest of the other system commits to bytes that this contract makes itself, so they are not
/// part of a proof:
///
///     hash only       publicInputsHash(32)                proof = the other system's proof
///     hash and payee  publicInputsHash(32) ‖ payee(20)    proof = payee(20) ‖ its proof
///
/// A proof of the first kind belongs to whoever holds it. Of the second, a copy with another payee
/// is about other bytes and fails.
abstract contract WrappedVerifier is IVerifier {
    /// @dev No code there, or it accepts an empty proof.
    error NotAVerifier(address wrapped);
    /// @dev Said instead of false: a caller with too little gas has learned nothing of the proof.
    error TooLittleGas(uint256 neededGas, uint256 leftGas);

    /// @notice Most gas the wrapped verifier gets: three times what theirs take, Groth16 or PLONK.
    uint256 public constant WRAPPED_GAS = 1_000_000;
    /// @notice Longest proof that is looked at; theirs have 260 to 868 bytes, and a few thousand
    /// with the path of an aggregated one.
    uint256 public constant MAX_SEAL_BYTES = 16_384;
    uint256 internal constant PAYEE_BYTES = 20;
    /// @dev 1/64 stays here, and reaching a cold contract costs 2,600.
    uint256 private constant NEEDED_GAS = WRAPPED_GAS + WRAPPED_GAS / 63 + 5_000;

    /// @notice The other project's contract: a verifier, or the gateway or router before several.
    address public immutable wrapped;
    /// @notice The other system's own name of the guest program; our name of it as well.
    bytes32 public immutable programId;

    constructor(address wrapped_, bytes32 programId_) {
        wrapped = wrapped_;
        programId = programId_;
        // A contract that answers every call, or one for tests that lets anything pass.
        if (wrapped_.code.length == 0 || _answersYes(_question("", ""))) {
            revert NotAVerifier(wrapped_);
        }
    }

    /// @dev The call that asks the wrapped verifier whether `seal` proves that the program
    /// committed to `journal`.
    function _question(bytes memory journal, bytes memory seal)
        internal
        view
        virtual
        returns (bytes memory);

    function _verifyHash(bytes calldata proof, bytes32 publicInputsHash)
        internal
        view
        returns (bool)
    {
        return _accepts(abi.encodePacked(publicInputsHash), proof);
    }

    function _verifyHashAndPayee(bytes calldata proof, bytes32 publicInputsHash)
        internal
        view
        returns (bool)
    {
        if (proof.length < PAYEE_BYTES) return false;
        bytes memory journal = abi.encodePacked(publicInputsHash, proof[:PAYEE_BYTES]);
        return _accepts(journal, proof[PAYEE_BYTES:]);
    }

    function _accepts(bytes memory journal, bytes calldata seal) internal view returns (bool) {
        if (seal.length == 0 || seal.length > MAX_SEAL_BYTES) return false;
        return _answersYes(_question(journal, seal));
    }

    /// @dev Whether the wrapped contract takes the call and returns nothing, as its function does.
    /// What it returns is never copied. A call to an address without code would succeed as well.
    function _answersYes(bytes memory question) private view returns (bool yes) {
        address to = wrapped;
        if (to.code.length == 0) return false;
        if (gasleft() < NEEDED_GAS) revert TooLittleGas(NEEDED_GAS, gasleft());
        uint256 gas_ = WRAPPED_GAS;
        assembly ("memory-safe") {
            yes := staticcall(gas_, to, add(question, 0x20), mload(question), 0, 0)
            yes := and(yes, iszero(returndatasize()))
        }
    }
}
