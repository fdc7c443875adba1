// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {Messages} from "../libraries/Messages.sol";
import {Clock} from "./Clock.sol";

/// @notice Whose signature is good: the EIP-712 domain, and the signers of accounts that cannot
/// sign.
abstract contract Signers is Clock {
    struct Signer {
        address signer;
        uint64 removableAt;
    }

    uint256 private immutable _cachedChainId = block.chainid;
    bytes32 private immutable _cachedSeparator = Messages.domainSeparator(address(this));

    mapping(address account => Signer) private _signers;
    /// @dev The other way round: a signer signs for one account, so that a signature names one
    /// account.
    mapping(address signer => address account) private _accounts;

    /// @inheritdoc ISettlement
    function setSigner(address signer) external {
        address present = _signers[msg.sender].signer;
        if (present != address(0)) revert SignerInPlace(present);
        if (signer == address(0)) revert NoSigner(msg.sender);
        if (_accounts[signer] != address(0)) revert SignerTaken(signer);
        _signers[msg.sender].signer = signer;
        _accounts[signer] = msg.sender;
        emit SignerSet(msg.sender, signer);
    }

    /// @inheritdoc ISettlement
    function beginSignerRemoval() external {
        Signer storage entry = _signers[msg.sender];
        if (entry.signer == address(0)) revert NoSigner(msg.sender);
        uint256 readyAt = block.timestamp + _exitDelayS;
        entry.removableAt = SafeCast.toUint64(readyAt);
        emit SignerRemovalBegun(msg.sender, entry.signer, readyAt);
    }

    /// @inheritdoc ISettlement
    function removeSigner() external {
        Signer memory entry = _signers[msg.sender];
        if (entry.removableAt == 0) revert NoSigner(msg.sender);
        if (block.timestamp < entry.removableAt) {
            revert NotReady(entry.removableAt, block.timestamp);
        }
        delete _signers[msg.sender];
        delete _accounts[entry.signer];
        emit SignerRemoved(msg.sender, entry.signer);
    }

    /// @inheritdoc ISettlement
    function signerOf(address account) external view returns (address signer, uint64 removableAt) {
        Signer memory entry = _signers[account];
        return (entry.signer, entry.removableAt);
    }

    /// @inheritdoc ISettlement
    /// @dev Recomputed after a fork of the chain, so that no signature is good on both sides of it.
    function domainSeparator() public view returns (bytes32) {
        if (block.chainid == _cachedChainId) return _cachedSeparator;
        return Messages.domainSeparator(address(this));
    }

    /// @dev EIP-712 digest of a struct hash under this contract's domain.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return Messages.digest(domainSeparator(), structHash);
    }

    /// @dev Reverts unless `account`, or its signer, signed. 65 bytes r, s, v with v 27 or 28 and s
    /// low.
    function _requireSigned(address account, bytes32 digest, bytes calldata signature)
        internal
        view
    {
        (address by,,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (!_speaksFor(by, account)) revert BadSignature(account);
    }

    /// @dev The same for EIP-2098's compact form, answering instead of reverting.
    function _isSigned(address account, bytes32 digest, bytes32 r, bytes32 vs)
        internal
        view
        returns (bool)
    {
        (address by,,) = ECDSA.tryRecover(digest, r, vs);
        return _speaksFor(by, account);
    }

    /// @dev Whether `by` is the account itself or its signer. The zero address (a bad signature) is
    /// nobody.
    function _speaksFor(address by, address account) internal view returns (bool) {
        if (by == address(0)) return false;
        return by == account || by == _signers[account].signer;
    }
}
