// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {IPayeeVerifier, IVerifier} from "../interfaces/IVerifier.sol";
import {Messages} from "../libraries/Messages.sol";
import {Pricing} from "../libraries/Pricing.sol";
import {Obligations} from "./Obligations.sol";

/// @notice The prover's way to its money when the builder's receipt is withheld, or says too
/// little.
abstract contract Claims is Obligations {
    /// @inheritdoc ISettlement
    /// @dev A little less than committing and claiming the smallest Groth16 proof costs
    /// (test/contracts/snapshots/gas.json; test/contracts/gas.ts compares), so that nobody earns by
    /// claiming.
    uint256 public constant CLAIM_GAS = 380_000;
    /// @dev A verifier is the builder's choice: more than this and it says no. A Groth16 proof
    /// takes a tenth.
    uint256 private constant VERIFY_GAS = 3_000_000;
    /// @dev Reading one address out of a proof; ten times what our verifier takes.
    uint256 private constant PAYEE_GAS = 100_000;

    /// @inheritdoc ISettlement
    function claim(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata acceptanceSignature,
        Start calldata start,
        bytes calldata startSignature,
        BidProof calldata bid,
        bytes calldata proof
    ) external {
        bytes32 requestId = _requireStarted(request, acceptanceSignature, start, startSignature);
        _requireAwarded(requestId, award, start);
        uint256 minedAt = _requireCommitted(requestId, request.dueAt, start.prover, proof);
        _requireProof(request, start.prover, proof);
        _commitments[requestId][start.prover].verified = true;
        if (_rescuers[start.awardId] == address(0)) _rescuers[start.awardId] = start.prover;
        _pay(
            requestId,
            request,
            _priceWei(requestId, request, award, start, bid, minedAt),
            start.prover
        );
    }

    /// @dev The award is the one both signed the id of, it is for this request, and it names this
    /// prover.
    function _requireAwarded(bytes32 requestId, Award calldata award, Start calldata start)
        internal
        view
    {
        bytes32 awardId = _digest(Messages.hash(award));
        if (start.awardId != awardId) revert Mismatched(awardId, start.awardId);
        if (award.requestId != requestId) revert Mismatched(requestId, award.requestId);
        address prover = start.prover; // it signed, so it is not the zero address of an empty place
        bool named = prover == award.prover || prover == award.backups[0]
            || prover == award.backups[1] || prover == award.backups[2];
        if (!named) revert NotAwarded(prover);
    }

    /// @dev The proof is the one committed to, in time, and it is still time to show it.
    function _requireCommitted(
        bytes32 requestId,
        uint48 dueAt,
        address prover,
        bytes calldata proof
    ) private view returns (uint256 minedAt) {
        Commitment memory stored = _commitments[requestId][prover];
        if (stored.minedAt == 0) revert NotCommitted(requestId, prover);
        if (!_inTime(stored, dueAt)) {
            revert WindowClosed(_dueS(dueAt) + _commitWindowS, stored.minedAt);
        }
        // A challenge comes after 2 W, so its end is always the later one.
        uint256 fromS = stored.challengedAt == 0 ? _dueS(dueAt) : stored.challengedAt;
        uint256 untilS = fromS + _claimWindowS;
        if (block.timestamp > untilS) revert WindowClosed(untilS, block.timestamp);
        bytes32 commitment = keccak256(abi.encode(prover, keccak256(proof)));
        if (stored.hash != _shorten(commitment)) revert WrongCommitment(requestId, prover);
        return stored.minedAt;
    }

    /// @dev The verifier says yes, and the proof, where it names its payee, names this prover.
    function _requireProof(ProofRequest calldata request, address prover, bytes calldata proof)
        private
        view
    {
        // A sender must not be able to make the payee unreadable by sending little gas: 1/64 stays
        // here, and reaching a cold contract costs 2,600.
        uint256 neededGas = PAYEE_GAS + PAYEE_GAS / 63 + 5_000;
        if (gasleft() < neededGas) revert TooLittleGas(neededGas, gasleft());
        (bool named, uint256 payee) = _payeeOf(request, proof);
        if (named && payee != uint160(prover)) revert WrongPayee(address(uint160(payee)), prover);
        _requireVerified(request, proof);
    }

    /// @dev Whom the proof of what was asked for pays, where the verifier can tell.
    function _payeeOf(ProofRequest calldata request, bytes calldata proof)
        internal
        view
        returns (bool named, uint256 payee)
    {
        bytes memory question =
            abi.encodeCall(IPayeeVerifier.payeeOf, (proof, request.publicInputsHash));
        return _ask(request.verifier, PAYEE_GAS, question);
    }

    /// @dev The verifier says yes.
    function _requireVerified(ProofRequest calldata request, bytes calldata proof) internal view {
        bytes memory question =
            abi.encodeCall(IVerifier.verify, (proof, request.publicInputsHash));
        (bool answered, uint256 valid) = _ask(request.verifier, VERIFY_GAS, question);
        if (!answered || valid != 1) revert ProofInvalid(request.verifier);
    }

    /// @dev A static call of at most `capGas` that answers with exactly one word; nothing longer is
    /// copied.
    function _ask(address verifier, uint256 capGas, bytes memory question)
        private
        view
        returns (bool answered, uint256 word)
    {
        assembly ("memory-safe") {
            answered := staticcall(
                capGas,
                verifier,
                add(question, 0x20),
                mload(question),
                0x00,
                0x20
            )
            answered := and(answered, eq(returndatasize(), 0x20))
            word := mload(0x00)
        }
    }

    /// @dev What the builder owes for a delivery one slot before the block at `minedAt`. The
    /// winner's price and promise are the award's; a backup's are in its bid, and its promise
    /// shifts by its start's delay.
    function _priceWei(
        bytes32 requestId,
        ProofRequest calldata request,
        Award calldata award,
        Start calldata start,
        BidProof calldata bid,
        uint256 minedAt
    ) internal view returns (uint256) {
        (uint128 priceWei, uint256 promisedAt) = (award.priceWei, award.readyAt);
        if (start.prover != award.prover) {
            (priceWei, promisedAt) = (bid.priceWei, bid.readyAt);
            _requireUnderRoot(requestId, award.bidsRoot, start.prover, bid);
            promisedAt += Math.saturatingSub(start.startedAt, request.closesAt);
        }
        return Pricing.pay(request, priceWei, promisedAt, (minedAt - _slotS) * 1000);
    }

    /// @dev Reverts unless the root the builder signed has this prover's bid at this price.
    /// @return bidId The bid's id.
    function _requireUnderRoot(
        bytes32 requestId,
        bytes32 root,
        address prover,
        BidProof calldata bid
    ) internal view returns (bytes32 bidId) {
        Bid memory message = Bid(requestId, prover, bid.commitment, bid.sealedOpening);
        bidId = _digest(Messages.hash(message));
        bytes32 leaf = Messages.leaf(bidId, bid.priceWei, bid.readyAt);
        if (!MerkleProof.verifyCalldata(bid.path, root, leaf)) revert NotUnderRoot(leaf);
    }

    /// @dev Pays the claim. Gas is owed only where the builder owed more than its receipts say: a
    /// claim beside a fair receipt is the prover's own pleasure.
    function _pay(bytes32 requestId, ProofRequest calldata request, uint256 payWei, address prover)
        private
    {
        (address builder, uint64 nonce) = (request.builder, request.nonce);
        (bool closed, uint256 paidBeforeWei) = _closed(builder, prover, nonce);
        if (closed) revert AlreadyResolved(builder, prover, nonce);
        uint256 gasWei = payWei > paidBeforeWei
            ? CLAIM_GAS * Math.min(block.basefee, request.claimBaseFeeCapWei)
            : 0;
        uint256 dueWei = Math.min(payWei + gasWei, type(uint128).max);
        uint256 paidWei = _payShown(builder, prover, nonce, dueWei, true);
        // What came is the price's first, the gas's last.
        gasWei = Math.min(gasWei, Math.saturatingSub(paidBeforeWei + paidWei, payWei));
        emit Claimed(requestId, builder, prover, nonce, paidWei - gasWei, gasWei);
    }
}
