// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBonds} from "../interfaces/IBonds.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {Messages} from "../libraries/Messages.sol";
import {Receipts} from "./Receipts.sol";

/// @notice What a started prover owes: the commitment that keeps it safe, and the slash if it stays
/// silent.
abstract contract Obligations is Receipts {
    mapping(bytes32 requestId => mapping(address prover => Commitment)) internal _commitments;
    /// @dev Kept by the chain, not named by whoever slashes: else a builder would slash first and
    /// name nobody.
    mapping(bytes32 awardId => address) internal _rescuers;

    /// @inheritdoc ISettlement
    function commitProof(bytes32 requestId, address prover, bytes32 commitment) external {
        if (!_speaksFor(msg.sender, prover)) revert BadSignature(prover);
        Commitment storage stored = _commitments[requestId][prover];
        if (stored.minedAt != 0) revert AlreadyCommitted(requestId, prover);
        stored.hash = _shorten(commitment);
        stored.minedAt = uint48(block.timestamp);
        emit ProofCommitted(requestId, prover, commitment);
    }

    /// @inheritdoc ISettlement
    function slash(
        ProofRequest calldata request,
        bytes calldata acceptanceSignature,
        Start calldata start,
        bytes calldata startSignature
    ) external {
        uint256 openS = _dueS(request.dueAt) + 2 * _claimWindowS;
        if (block.timestamp < openS) revert WindowNotOpen(openS, block.timestamp);
        bytes32 requestId = _requireStarted(request, acceptanceSignature, start, startSignature);
        (address builder, address prover, uint64 nonce) =
            (request.builder, start.prover, request.nonce);
        if (_isResolved(builder, prover, nonce)) revert AlreadyResolved(builder, prover, nonce);
        if (_challenge(requestId, openS, request.dueAt, start, startSignature)) return;

        _resolve(builder, prover, nonce);
        // Without backups there is nobody to look for.
        address rescuer = request.backups == 0 ? address(0) : _rescuers[start.awardId];
        // No builder gains by a slash. (The slashed prover is no rescuer: its claim would have
        // resolved.)
        if (rescuer == builder) rescuer = address(0);
        uint256 bondWei = request.bondWei;
        uint256 rewardWei = rescuer == address(0) ? 0 : bondWei / 2;
        uint256 burntWei_;
        (rewardWei, burntWei_) =
            _bonds.slash(prover, IBonds.Role.Prover, rewardWei, bondWei - rewardWei);
        _credit(rescuer, rewardWei);
        emit Slashed(requestId, builder, prover, nonce, rewardWei + burntWei_, rescuer, rewardWei);
    }

    /// @inheritdoc ISettlement
    function commitmentOf(bytes32 requestId, address prover)
        external
        view
        returns (Commitment memory)
    {
        return _commitments[requestId][prover];
    }

    /// @inheritdoc ISettlement
    function rescuerOf(bytes32 awardId) external view returns (address) {
        return _rescuers[awardId];
    }

    /// @dev Reverts unless the prover accepted and the builder started exactly this. The award is
    /// known by its id, which both signed.
    function _requireStarted(
        ProofRequest calldata request,
        bytes calldata acceptanceSignature,
        Start calldata start,
        bytes calldata startSignature
    ) internal view returns (bytes32 requestId) {
        requestId = _digest(Messages.hash(request));
        if (start.requestId != requestId) revert Mismatched(requestId, start.requestId);
        bytes32 acceptanceId = _digest(
            Messages.hash(
                Acceptance({requestId: requestId, awardId: start.awardId, prover: start.prover})
            )
        );
        if (start.acceptanceId != acceptanceId) {
            revert Mismatched(acceptanceId, start.acceptanceId);
        }
        _requireSigned(start.prover, acceptanceId, acceptanceSignature);
        _requireSigned(request.builder, _digest(Messages.hash(start)), startSignature);
    }

    function _inTime(Commitment memory commitment, uint48 dueAt) internal view returns (bool) {
        return commitment.minedAt != 0 && commitment.minedAt <= _dueS(dueAt) + _commitWindowS;
    }

    function _shorten(bytes32 commitment) internal pure returns (uint160) {
        return uint160(bytes20(commitment));
    }

    /// @dev A prover with a proof committed in time is shown the start before it is slashed: W to
    /// claim. Whoever slashes must begin within W: a prover cannot keep its proofs for ever.
    /// @return begun Whether that has just begun. Reverts while it lasts.
    function _challenge(
        bytes32 requestId,
        uint256 openS,
        uint48 dueAt,
        Start calldata start,
        bytes calldata startSignature
    ) private returns (bool begun) {
        Commitment storage stored = _commitments[requestId][start.prover];
        Commitment memory commitment = stored;
        if (commitment.challengedAt == 0) {
            uint256 lastS = openS + _claimWindowS;
            if (block.timestamp > lastS) revert WindowClosed(lastS, block.timestamp);
            if (!_inTime(commitment, dueAt)) return false;
            stored.challengedAt = uint40(block.timestamp);
            emit Challenged(
                requestId,
                start.prover,
                block.timestamp + _claimWindowS,
                start.startedAt,
                startSignature
            );
            return true;
        }
        uint256 untilS = commitment.challengedAt + _claimWindowS;
        if (block.timestamp <= untilS) revert WindowNotOpen(untilS + 1, block.timestamp);
        return false;
    }
}
