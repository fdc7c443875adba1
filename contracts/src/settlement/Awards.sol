// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBonds} from "../interfaces/IBonds.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {Messages} from "../libraries/Messages.sol";
import {Pricing} from "../libraries/Pricing.sol";
import {Posts} from "./Posts.sol";

/// @notice A builder's two provable lies about an auction: two awards, and the wrong one.
abstract contract Awards is Posts {
    enum Offence {
        DoubleAward,
        Misaward
    }

    /// @dev Taken so far for an offence at a (builder, nonce). An amount, not a mark: else a
    /// builder would report itself over a request with a reserve of one wei, and be done.
    mapping(bytes32 offenceKey => uint256 takenWei) private _taken;

    /// @inheritdoc ISettlement
    function proveDoubleAward(
        ProofRequest calldata requestA,
        Award calldata awardA,
        bytes calldata signatureA,
        ProofRequest calldata requestB,
        Award calldata awardB,
        bytes calldata signatureB
    ) external {
        (address builder, uint64 nonce) = (requestA.builder, requestA.nonce);
        if (requestB.builder != builder || requestB.nonce != nonce) revert NoOffence();
        bytes32 idA = _requireAward(requestA, awardA, signatureA);
        bytes32 idB = _requireAward(requestB, awardB, signatureB);
        if (idA == idB) revert NoOffence();
        uint256 reserveWei =
            requestA.reserveWei > requestB.reserveWei ? requestA.reserveWei : requestB.reserveWei;
        uint256 takenWei = _punish(Offence.DoubleAward, builder, nonce, reserveWei, msg.sender);
        emit DoubleAwarded(builder, nonce, msg.sender, takenWei);
    }

    /// @inheritdoc ISettlement
    function proveMisaward(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata awardSignature,
        address betterProver,
        BidProof calldata better
    ) external {
        _requireAward(request, award, awardSignature);
        bytes32 betterId = _requireUnderRoot(award.requestId, award.bidsRoot, betterProver, better);
        _requireBetter(request, award, better, betterId);
        uint256 takenWei = _punish(
            Offence.Misaward, request.builder, request.nonce, request.reserveWei, betterProver
        );
        emit Misawarded(request.builder, request.nonce, betterProver, takenWei);
    }

    /// @dev Reverts unless the bid may win and beats the awarded one: lower score, then earlier
    /// promise, then lower id. An awarded bid that may not win at all loses to every bid that may.
    function _requireBetter(
        ProofRequest calldata request,
        Award calldata award,
        BidProof calldata better,
        bytes32 betterId
    ) private pure {
        (uint256 priceWei, uint256 readyAt) = (better.priceWei, better.readyAt);
        uint256 score = Pricing.score(request, priceWei, readyAt);
        uint256 awardedScore = Pricing.score(request, award.priceWei, award.readyAt);
        if (Pricing.eligible(request, priceWei, readyAt)) {
            if (!Pricing.eligible(request, award.priceWei, award.readyAt)) return;
            if (score < awardedScore) return;
            if (score == awardedScore) {
                if (readyAt < award.readyAt) return;
                if (readyAt == award.readyAt && betterId < award.bidId) return;
            }
        }
        revert NotBetter(score, awardedScore);
    }

    /// @dev Reverts unless the builder of `request` signed this award of it. The request needs no
    /// signature: the award names its id.
    function _requireAward(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata signature
    ) private view returns (bytes32 awardId) {
        bytes32 requestId = _digest(Messages.hash(request));
        if (award.requestId != requestId) revert Mismatched(requestId, award.requestId);
        awardId = _digest(Messages.hash(award));
        _requireSigned(request.builder, awardId, signature);
    }

    /// @dev Takes what is left of `reserveWei` from the stake: half to `injured`, half burnt.
    function _punish(
        Offence offence,
        address builder,
        uint64 nonce,
        uint256 reserveWei,
        address injured
    ) private returns (uint256 takenWei) {
        bytes32 key = keccak256(abi.encode(offence, builder, nonce));
        uint256 beforeWei = _taken[key];
        if (reserveWei <= beforeWei) revert AlreadyPunished(builder, nonce);
        uint256 leftWei = reserveWei - beforeWei;
        uint256 halfWei = leftWei / 2;
        (uint256 paidWei, uint256 burntWei_) =
            _bonds.slash(builder, IBonds.Role.Builder, halfWei, leftWei - halfWei);
        takenWei = paidWei + burntWei_;
        if (takenWei == 0) revert NothingToWithdraw();
        _taken[key] = beforeWei + takenWei;
        _credit(injured, paidWei);
    }
}
