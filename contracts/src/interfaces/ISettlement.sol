// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMessages} from "./IMessages.sol";
import {ITables} from "./ITables.sol";

/// @title Payment for proofs, and what happens when they do not come
/// @notice Builders prepay escrow; provers are paid by the builder's signed receipts in batches,
/// or, when the receipt is withheld, by committing their proof and showing it, or with the very
/// transaction that posts their table. Bonds of started provers who stay silent are slashed. No
/// owner, no upgrade, no pause, no fee. Windows are seconds of block time after `dueAt` (rounded
/// up).
interface ISettlement is IMessages {
    /// @param claimWindowS W: claims until dueAt + W; receipts are safe until dueAt + 2 W; slash
    /// from dueAt + 2 W.
    /// @param commitWindowS A proof must be committed by dueAt + this (three slots: one proposer
    /// cannot censor it).
    /// @param slotS Seconds between blocks: a claim counts as delivered this long before its
    /// commitment's block.
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

    /// @notice A backup's own price, shown by its bid's leaf under the award's `bidsRoot`. For the
    /// award's winner: `commitment` zero and no `path`; the award itself carries the price.
    struct BidProof {
        bytes32 commitment;
        bytes32[3] sealedOpening;
        uint128 priceWei;
        uint48 readyAt;
        bytes32[] path;
    }

    /// @notice What is unusual about a resolved (builder, prover, nonce); all zero for an ordinary
    /// receipt.
    /// @param paidWei Paid so far, where anything about it is unusual.
    /// @param owedWei Still owed because escrow and stake were empty; settling the receipt again
    /// pays it.
    /// @param unasked The receipt or post came from somebody other than the prover: a claim,
    /// another post or a better receipt may still show that more is due. (Else a builder would
    /// settle a receipt over nothing first, or anybody post a table late.)
    struct Dues {
        uint120 paidWei;
        uint128 owedWei;
        bool unasked;
    }

    /// @dev One word. `hash`: the upper 160 bits of keccak256(prover, keccak256(proof)).
    struct Commitment {
        uint160 hash;
        uint48 minedAt;
        uint40 challengedAt;
        bool verified;
    }

    /// @param payments `nonce u64 ‖ paidWei u128`, 24 bytes for each receipt paid; what was paid,
    /// not what was due.
    event Paid(address indexed builder, address indexed prover, bytes payments);
    /// @param code 1 already resolved, 2 bad signature, 3 nothing to pay it from (resolved, and
    /// still owed).
    event ReceiptRefused(address indexed builder, address indexed prover, uint64 nonce, uint8 code);
    /// @notice Escrow lacked `shortWei`; of it the stake paid `stakeWei`, and as much again was
    /// burnt.
    event EscrowShort(
        address indexed builder, uint256 shortWei, uint256 stakeWei, uint256 burntWei
    );
    event ProofCommitted(bytes32 indexed requestId, address indexed prover, bytes32 commitment);
    /// @notice A claim, or a post with `gasWei` 0, was paid: `payWei` is what it added to what had
    /// been paid before.
    event Claimed(
        bytes32 indexed requestId,
        address indexed builder,
        address indexed prover,
        uint64 nonce,
        uint256 payWei,
        uint256 gasWei
    );
    /// @notice A slash met a commitment: its prover may claim until `until` (block timestamp, s);
    /// then slash again. It shows the start, with which the prover can claim: its builder may have
    /// kept that to itself until now.
    event Challenged(
        bytes32 indexed requestId,
        address indexed prover,
        uint256 until,
        uint48 startedAt,
        bytes startSignature
    );
    event Slashed(
        bytes32 indexed requestId,
        address indexed builder,
        address indexed prover,
        uint64 nonce,
        uint256 bondWei,
        address rescuer,
        uint256 rewardWei
    );
    event DoubleAwarded(
        address indexed builder, uint64 nonce, address indexed reporter, uint256 penaltyWei
    );
    event Misawarded(
        address indexed builder, uint64 nonce, address indexed wronged, uint256 penaltyWei
    );
    event EscrowDeposited(address indexed builder, uint256 amountWei);
    event WithdrawalBegun(address indexed builder, uint256 amountWei, uint256 readyAt);
    event EscrowWithdrawn(address indexed builder, address to, uint256 amountWei);
    event CreditWithdrawn(address indexed prover, address to, uint256 amountWei);
    event SignerSet(address indexed account, address indexed signer);
    event SignerRemovalBegun(address indexed account, address indexed signer, uint256 readyAt);
    event SignerRemoved(address indexed account, address indexed signer);

    error MalformedBatch(uint256 length);
    error BadWindows(Windows windows);
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
    error NoVenue(address venue);
    error TooLittleGas(uint256 neededGas, uint256 leftGas);
    error NoOffence();
    error AlreadyPunished(address builder, uint64 nonce);
    error NothingDeposited();
    error NothingToWithdraw();
    error AmountTooLarge(uint256 amountWei, uint256 availableWei);
    error NotReady(uint256 readyAt, uint256 nowS);
    error SignerTaken(address signer);
    error SignerInPlace(address signer);
    error NoSigner(address account);
    error UnexpectedTransfer(address from);
    error TransferFailed(address to);

    // Money in and out. What is withdrawing counts as nothing for new work at once, and still pays
    // what falls due.
    function depositEscrow(address builder) external payable;
    /// @notice A second call restarts the delay for all of it.
    function beginWithdrawal(uint96 amountWei) external;
    function withdrawEscrow(address to) external;
    function withdrawCredit(address to) external;

    /// @notice Lets the key of an EOA sign for the caller, beside the caller's own. One signer at a
    /// time, and it signs for this account only. Messages it signed are good until it is removed,
    /// `exitDelayS` after notice.
    function setSigner(address signer) external;
    function beginSignerRemoval() external;
    function removeSigner() external;

    /// @notice Pays a batch. `packed` is groups of `builder(20) prover(20) count(1)` followed by
    /// `count` times `nonce(8) requestId(32) payWei(16) proofHash(32) deliveredAt(6) r(32) vs(32)`
    /// (EIP-2098). Anyone may send it. A refused receipt emits `ReceiptRefused` and does not stop
    /// the others; malformed framing reverts. A good receipt always resolves (builder, prover,
    /// nonce), so its prover cannot be slashed; what escrow and half the stake cannot pay stays
    /// owed, and settling the same receipt again pays it later. A better receipt pays the rest
    /// where the prover has not asked for what came first.
    function settle(bytes calldata packed) external;

    /// @notice Commits to a proof: `commitment` = keccak256(abi.encode(prover, keccak256(proof))),
    /// prover = caller or an account the caller signs for. The first stands.
    function commitProof(bytes32 requestId, address prover, bytes32 commitment) external;

    /// @notice Pays a prover that has no fair receipt: verifies its committed proof and pays what
    /// the award promises, as if delivered `slotS` before the commitment's block, plus `CLAIM_GAS`.
    /// Anyone may send it. Until dueAt + W, or W after a challenge. The award needs no signature:
    /// prover and builder both signed its id, in acceptance and start.
    /// @param bid For a backup, its own bid under the award's root; ignored for the winner.
    function claim(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata acceptanceSignature,
        Start calldata start,
        bytes calldata startSignature,
        BidProof calldata bid,
        bytes calldata proof
    ) external;

    /// @notice Posts a table to `request.venue` and pays the prover of what the request asks for,
    /// the table or a segment of it, in the same transaction, without a receipt: what the award
    /// promises, as if delivered `slotS` before this block, and no gas. Anyone may send it; if the
    /// post reverts nothing is paid. Where nothing is due any more (paid already, or later than any
    /// commitment could come) it posts all the same. A post in time keeps the prover's bond safe,
    /// as a claim does.
    ///
    /// The proof must name the prover (`IPayeeVerifier`): posting shows it to everybody, and a
    /// proof that names nobody would pay whoever was started and copies it. Provers of such proofs
    /// have receipts and claims. What is paid is final when the prover (or its signer) posts, or
    /// the winner gets all the award promises; else, as after a receipt nobody asked for, more may
    /// still be shown.
    /// @param bid As in `claim`.
    /// @param digest The request's `tableDigest`.
    /// @param table Canonical bytes.
    /// @param proofs What the venue asks for; it verifies every one of them, or reverts.
    /// @param index The one among `proofs` that answers the request, by its verifier: whole, or as
    /// one of its segments.
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
    ) external;

    /// @notice Takes min(bond, `bondWei`) of a started prover that neither settled nor claimed nor
    /// had its table posted, from dueAt + 2 W on: half to the first prover of the same award whose
    /// claim (or, of a backup, post) the chain verified, the rest burnt; all burnt without one. A
    /// prover that committed in time and could not claim (its start was withheld) is challenged
    /// first: this call shows it the start, and it has W to claim. The first call must come by
    /// dueAt + 3 W: nobody has to keep proofs for ever. Anyone may send it.
    function slash(
        ProofRequest calldata request,
        bytes calldata acceptanceSignature,
        Start calldata start,
        bytes calldata startSignature
    ) external;

    /// @notice Two awards of one builder for one nonce. Takes min(stake, larger reserve), less what
    /// this offence at this nonce has cost already; half burnt, half to the caller.
    function proveDoubleAward(
        ProofRequest calldata requestA,
        Award calldata awardA,
        bytes calldata signatureA,
        ProofRequest calldata requestB,
        Award calldata awardB,
        bytes calldata signatureB
    ) external;

    /// @notice A better bid under the award's own root. Takes min(stake, reserve), less what this
    /// offence at this nonce has cost already; half burnt, half to that bid's prover.
    function proveMisaward(
        ProofRequest calldata request,
        Award calldata award,
        bytes calldata awardSignature,
        address betterProver,
        BidProof calldata better
    ) external;

    function escrowOf(address builder) external view returns (Escrow memory);
    function creditOf(address prover) external view returns (uint256);
    /// @return signer The key that signs for `account`; zero: none.
    /// @return removableAt Block timestamp (s) from which it can be removed; 0 if that has not
    /// begun.
    function signerOf(address account) external view returns (address signer, uint64 removableAt);
    function isResolved(address builder, address prover, uint64 nonce) external view returns (bool);
    function duesOf(address builder, address prover, uint64 nonce)
        external
        view
        returns (Dues memory);
    function commitmentOf(bytes32 requestId, address prover)
        external
        view
        returns (Commitment memory);
    /// @return The first prover of this award whose claim the chain verified, or backup whose proof
    /// it verified with a post; zero: none.
    function rescuerOf(bytes32 awardId) external view returns (address);
    function burntWei() external view returns (uint256);
    function windows() external view returns (Windows memory);
    function bonds() external view returns (address);
    function domainSeparator() external view returns (bytes32);
    /// @notice Fixed gas a claim is refunded for, at min(base fee, `claimBaseFeeCapWei`).
    function CLAIM_GAS() external view returns (uint256);
}
