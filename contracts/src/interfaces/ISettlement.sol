// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMessages} from "./IMessages.sol";

/// @title Payment for proofs, and what happens when they do not come
/// @notice Builders prepay escrow; provers are paid by the builder's signed receipts in batches, or, when the
/// receipt is withheld, by committing their proof and showing it. Bonds of started provers who stay silent are
/// slashed. No owner, no upgrade, no pause, no fee. Windows are seconds of block time after `dueAt` (rounded up).
interface ISettlement is IMessages {
    /// @param claimWindowS W: claims until dueAt + W; receipts are safe until dueAt + 2 W; slash from dueAt + 2 W.
    /// @param commitWindowS A proof must be committed by dueAt + this (three slots: one proposer cannot censor it).
    /// @param slotS Seconds between blocks: a claim counts as delivered this long before its commitment's block.
    /// @param maxJobS Longest time from an auction's close to its due time.
    /// @param exitDelayS Delay of escrow withdrawals and of signer removals; exceeds maxJobS + 4 W.
    struct Windows {
        uint32 claimWindowS;
        uint32 commitWindowS;
        uint32 slotS;
        uint32 maxJobS;
        uint32 exitDelayS;
    }

    struct Escrow {
        uint96 availableWei;
        uint96 withdrawingWei;
        uint64 withdrawReadyAt;
    }

    /// @notice A backup's own price, shown by its bid's leaf under the award's `bidsRoot`. For the award's winner:
    /// `commitment` zero and no `path`; the award itself carries the price.
    struct BidProof {
        bytes32 commitment;
        bytes32[3] sealedOpening;
        uint128 priceWei;
        uint48 readyAt;
        bytes32[] path;
    }

    /// @dev One word. `hash`: the upper 160 bits of keccak256(prover, keccak256(proof)).
    struct Commitment {
        uint160 hash;
        uint48 minedAt;
        uint40 challengedAt;
        bool verified;
    }

    /// @param payments `nonce u64 ‖ payWei u128`, 24 bytes for each receipt paid.
    event Paid(address indexed builder, address indexed prover, bytes payments);
    /// @param code 1 already resolved, 2 bad signature, 3 nothing to pay it from.
    event ReceiptRefused(address indexed builder, address indexed prover, uint64 nonce, uint8 code);
    /// @notice The escrow could not pay; the stake paid `stakeWei` and as much again, or what was left, was burnt.
    event EscrowShort(address indexed builder, uint256 shortWei, uint256 stakeWei, uint256 burntWei);
    event ProofCommitted(bytes32 indexed requestId, address indexed prover, bytes32 commitment);
    event Claimed(
        bytes32 indexed requestId, address indexed builder, address indexed prover, uint64 nonce, uint256 payWei, uint256 gasWei
    );
    /// @notice A slash met a commitment: its prover may claim until `until` (block timestamp, s); then slash again.
    event Challenged(bytes32 indexed requestId, address indexed prover, uint256 until);
    event Slashed(
        bytes32 indexed requestId,
        address indexed builder,
        address indexed prover,
        uint64 nonce,
        uint256 bondWei,
        address rescuer,
        uint256 rewardWei
    );
    event DoubleAwarded(address indexed builder, uint64 nonce, address indexed reporter, uint256 penaltyWei);
    event Misawarded(address indexed builder, uint64 nonce, address indexed wronged, uint256 penaltyWei);
    event EscrowDeposited(address indexed builder, uint256 amountWei);
    event WithdrawalBegun(address indexed builder, uint256 amountWei, uint256 readyAt);
    event EscrowWithdrawn(address indexed builder, address to, uint256 amountWei);
    event CreditWithdrawn(address indexed prover, address to, uint256 amountWei);
    event SignerSet(address indexed account, address indexed signer);
    event SignerRemovalBegun(address indexed account, address indexed signer, uint256 readyAt);
    event SignerRemoved(address indexed account, address indexed signer);

    error MalformedBatch(uint256 length);
    error BadSignature(address expected);
    error AlreadyResolved(address builder, address prover, uint64 nonce);
    error WindowClosed(uint256 until, uint256 nowS);
    error WindowNotOpen(uint256 from, uint256 nowS);
    error NotCommitted(bytes32 requestId, address prover);
    error AlreadyCommitted(bytes32 requestId, address prover);
    error WrongCommitment(bytes32 requestId, address prover);
    error WrongPayee(address payee, address prover);
    error ProofInvalid(address verifier);
    error Mismatched(bytes32 expected, bytes32 actual);
    error NotAwarded(address prover);
    error NotBetter(uint256 score, uint256 awardedScore);
    error NotUnderRoot(bytes32 leaf);
    error NoOffence();
    error AlreadyPunished(address builder, uint64 nonce);
    error NothingToWithdraw();
    error AmountTooLarge(uint256 amountWei, uint256 availableWei);
    error NotReady(uint256 readyAt, uint256 nowS);
    error SignerTaken(address signer);
    error TransferFailed(address to);

    // Money in and out.
    function depositEscrow(address builder) external payable;
    function beginWithdrawal(uint96 amountWei) external;
    function withdrawEscrow(address to) external;
    function withdrawCredit(address to) external;

    /// @notice Lets an EOA sign for the caller (a contract wallet). One signer at a time; removal waits `exitDelayS`.
    function setSigner(address signer) external;
    function beginSignerRemoval() external;
    function removeSigner() external;

    /// @notice Pays a batch. `packed` is groups of `builder(20) prover(20) count(1)` followed by `count` times
    /// `nonce(8) requestId(32) payWei(16) proofHash(32) deliveredAt(6) r(32) vs(32)` (EIP-2098). A refused
    /// receipt emits `ReceiptRefused` and does not stop the others; malformed framing reverts.
    function settle(bytes calldata packed) external;

    /// @notice Commits to a proof: `commitment` = keccak256(abi.encode(prover, keccak256(proof))), prover = caller or
    /// an account the caller signs for.
    function commitProof(bytes32 requestId, address prover, bytes32 commitment) external;

    function claim(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata acceptanceSignature,
        Start calldata start,
        bytes calldata startSignature,
        BidProof calldata bid,
        bytes calldata proof
    ) external;

    /// @param rescuer A backup of the same award whose claim the chain verified, to be given half; zero: none.
    function slash(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata acceptanceSignature,
        Start calldata start,
        bytes calldata startSignature,
        address rescuer
    ) external;

    /// @notice Two awards of one builder for one nonce. Half of min(stake, larger reserve) burnt, half to the caller.
    function proveDoubleAward(
        ProofRequest calldata requestA,
        Award calldata awardA,
        bytes calldata signatureA,
        ProofRequest calldata requestB,
        Award calldata awardB,
        bytes calldata signatureB
    ) external;

    /// @notice A better bid under the award's own root. Half of min(stake, reserve) burnt, half to that bid's prover.
    function proveMisaward(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata awardSignature,
        address betterProver,
        BidProof calldata better
    ) external;

    function escrowOf(address builder) external view returns (Escrow memory);
    function creditOf(address prover) external view returns (uint256);
    function signerOf(address account) external view returns (address signer, uint64 removableAt);
    function isResolved(address builder, address prover, uint64 nonce) external view returns (bool);
    function commitmentOf(bytes32 requestId, address prover) external view returns (Commitment memory);
    function burntWei() external view returns (uint256);
    function windows() external view returns (Windows memory);
    function bonds() external view returns (address);
    function domainSeparator() external view returns (bytes32);
    /// @notice Fixed gas a claim is refunded for, at min(base fee, `claimBaseFeeCapWei`).
    function CLAIM_GAS() external view returns (uint256);
}
