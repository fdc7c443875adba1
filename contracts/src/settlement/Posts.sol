// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITableVenue} from "../interfaces/IRollups.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {ITables} from "../interfaces/ITables.sol";
import {Claims} from "./Claims.sol";

/// @notice A table and its prover's money in one transaction: no receipt needed.
abstract contract Posts is Claims {
    /// @inheritdoc ISettlement
    /// @dev The venue is the builder's choice and may be anything. It is called with `post` alone,
    /// after everything here is written, so it finds nothing half done; what it undertakes to
    /// verify decides only what its builder pays. A rescuer, who is paid out of another's bond, is
    /// verified here.
    function settleOnPost(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata acceptanceSignature,
        Start calldata start,
        bytes calldata startSignature,
        BidProof calldata bid,
        bytes32 digest,
        bytes calldata table,
        ITables.TableProof[] calldata proofs,
        uint256 index
    ) external {
        bytes32 requestId = _requireStarted(request, acceptanceSignature, start, startSignature);
        _requireAwarded(requestId, award, start);
        if (digest != request.tableDigest) revert Mismatched(request.tableDigest, digest);
        _requireOwn(request, start.prover, proofs[index]);
        // Later than any commitment: the table may still be good for its user, but not for a bond.
        if (block.timestamp <= _dueS(request.dueAt) + _commitWindowS) {
            _payPost(requestId, request, award, start, bid, proofs[index].proof);
        }
        _post(request.venue, digest, table, proofs);
    }

    /// @dev `venue.post(digest, table, proofs)`, reverting with what it reverts with. Compiled from
    /// that line, the encoder alone takes 1,700 bytes of a contract that has not got them. Here the
    /// venue is given our own arguments behind its three, whose offsets lead into them: it reads
    /// the very bytes that were checked, and what lies between concerns nobody.
    function _post(
        address venue,
        bytes32 digest,
        bytes calldata table,
        ITables.TableProof[] calldata proofs
    ) private {
        if (venue.code.length == 0) revert NoVenue(venue);
        bytes4 selector = ITableVenue.post.selector;
        assembly ("memory-safe") {
            let call_ := mload(0x40)
            mstore(call_, selector)
            mstore(add(call_, 0x04), digest)
            // Solidity's offsets are of the first byte, the ABI's of the length before it, counted
            // from the first argument: there ours is at 4, and 0x60 later for the venue.
            mstore(add(call_, 0x24), add(sub(table.offset, 0x24), 0x60))
            mstore(add(call_, 0x44), add(sub(proofs.offset, 0x24), 0x60))
            calldatacopy(add(call_, 0x64), 0x04, sub(calldatasize(), 0x04))
            if iszero(call(gas(), venue, 0, call_, add(calldatasize(), 0x60), 0x00, 0x00)) {
                returndatacopy(call_, 0x00, returndatasize())
                revert(call_, returndatasize())
            }
        }
    }

    /// @dev The proof is by the verifier the request names, and what it asks for is in it, made by
    /// this prover: the table may be cut into segments of many provers. Who posts a proof shows it
    /// to everybody: one that names nobody could be posted for any other started prover.
    function _requireOwn(
        ProofRequest calldata request,
        address prover,
        ITables.TableProof calldata proof
    ) private view {
        if (proof.verifier != request.verifier) {
            revert Mismatched(_word(request.verifier), _word(proof.verifier));
        }
        (bool named, uint256 payee) = _payeeOf(request, proof.proof);
        if (!named) revert WrongPayee(address(0), prover);
        if (payee != uint160(prover)) revert WrongPayee(address(uint160(payee)), prover);
    }

    function _word(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    /// @dev Pays as for a delivery one slot before this block, and no gas: the sender wanted the
    /// post anyway. Where nothing is left to pay it does nothing: a copy of this transaction that
    /// is mined first must not break it.
    function _payPost(
        bytes32 requestId,
        ProofRequest calldata request,
        Award calldata award,
        Start calldata start,
        BidProof calldata bid,
        bytes calldata proof
    ) private {
        (address builder, address prover, uint64 nonce) =
            (request.builder, start.prover, request.nonce);
        bool again = _isResolved(builder, prover, nonce);
        (bool closed,) = _closed(builder, prover, nonce);
        if (closed) return;
        // Only a backup's: a slash rewards those, and a winner's post spares verifying twice.
        if (prover != award.prover && _rescuers[start.awardId] == address(0)) {
            _requireVerified(request, proof);
            _rescuers[start.awardId] = prover;
        }
        uint256 payWei = _priceWei(requestId, request, award, start, bid, block.timestamp);
        // Whoever posts chooses the block, and so the price: it is the last word only when it is
        // the prover's, or when the award promises no more.
        bool best = prover == award.prover && payWei == award.priceWei;
        bool last = best || _speaksFor(msg.sender, prover);
        uint256 paidWei = _payShown(builder, prover, nonce, payWei, last);
        if (!again || paidWei != 0) {
            emit Claimed(requestId, builder, prover, nonce, paidWei, 0);
        }
    }
}
