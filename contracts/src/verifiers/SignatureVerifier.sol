// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IVerifier} from "../interfaces/IVerifier.sol";

/// @title A verifier that believes an owner
/// @notice For a rollup without a circuit: its owner checks a table and signs the public inputs
/// hash, for this chain and this contract. One deployment believes one owner. A proof is the
/// signature, `r(32) ‖ s(32) ‖ v(1)`, over `keccak256(abi.encode(tag, chain id, this contract,
/// publicInputsHash))` with the prefix of `eth_sign` (EIP-191).
contract SignatureVerifier is IVerifier {
    error BadOwner();

    string private constant OWNER_TAG = "proofwire/owner/1";

    address public immutable owner;
    /// @notice keccak256(abi.encode(tag, owner)).
    bytes32 public immutable programId;

    constructor(address owner_) {
        if (owner_ == address(0)) revert BadOwner();
        owner = owner_;
        programId = keccak256(abi.encode(OWNER_TAG, owner_));
    }

    /// @inheritdoc IVerifier
    function verify(bytes calldata proof, bytes32 publicInputsHash) external view returns (bool) {
        bytes32 hash =
            keccak256(abi.encode(OWNER_TAG, block.chainid, address(this), publicInputsHash));
        (address signer, ECDSA.RecoverError fault,) =
            ECDSA.tryRecover(MessageHashUtils.toEthSignedMessageHash(hash), proof);
        return fault == ECDSA.RecoverError.NoError && signer == owner;
    }
}
