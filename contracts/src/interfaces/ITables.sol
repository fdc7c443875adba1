// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Execution tables
/// @notice The structs of `protocol/table.ts`. The ABI encoding of a `Table` is its canonical
/// bytes: what SHA-256 names it by, and what `IRollups.post` takes.
interface ITables {
    /// @notice As in the seed's first draft, with TRY_CALL behind them.
    enum ActionType {
        CALL,
        RESULT,
        L2TX,
        REVERT,
        REVERT_CONTINUE,
        TRY_CALL
    }

    /// @notice One step of a transaction that crosses chains. Rollup 0 is L1.
    /// @param rollupId Who acts on it: the callee of a CALL, TRY_CALL or L2TX; the receiver of a
    /// RESULT; the rollup that reverts.
    /// @param value Wei that goes along: of a call, or handed back by a RESULT that failed or a
    /// REVERT_CONTINUE.
    /// @param sourceRollup Rollup the action comes from; with `sourceAddress` the caller.
    /// @param scope The frames the action happens in, from the outermost: at most 15 steps, the
    /// i-th plus one in bits 16·i to 16·i + 15. Zero is the transaction itself.
    struct Action {
        ActionType actionType;
        uint64 rollupId;
        address destination;
        uint128 value;
        bytes data;
        bool failed;
        address sourceAddress;
        uint64 sourceRollup;
        uint256 scope;
    }

    /// @notice What an entry changes on one rollup. Roots are below the field order.
    /// @param sent Hash of the message this rollup sends to another rollup of the entry, or zero.
    /// @param received Hash of the message it receives. An entry's sent and received must cancel.
    struct StateDelta {
        uint64 rollupId;
        bytes32 rootBefore;
        bytes32 rootAfter;
        int128 etherDelta;
        bytes32 sent;
        bytes32 received;
    }

    /// @notice When `action` meets the first delta's rollup at its root: apply, then do `next`.
    /// @param deltas One or two; the first is of the rollup that acts (`action.rollupId`).
    struct Entry {
        StateDelta[] deltas;
        Action action;
        Action next;
    }

    /// @notice The program that speaks for a rollup.
    struct Program {
        uint64 rollupId;
        address verifier;
        bytes32 programId;
    }

    /// @param venue The registry the table is posted to.
    /// @param executor Origin of the transaction that may consume it; zero: anyone.
    /// @param firstBlock First block it may be posted in.
    /// @param lastBlock Last block, inclusive. It is consumed in the block it was posted in.
    /// @param parentHash Hash of the block before, where a rollup reads L1; else zero.
    /// @param programs Of exactly the rollups the deltas name, by ascending id.
    struct Table {
        uint64 chainId;
        address venue;
        address executor;
        uint64 firstBlock;
        uint64 lastBlock;
        bytes32 parentHash;
        Program[] programs;
        Entry[] entries;
    }

    /// @notice A proof that the table is right, as far as one program answers for it.
    /// @param publicInputsHash What the verifier is asked about: `protocol/words.ts`.
    struct TableProof {
        address verifier;
        bytes32 programId;
        bytes32 publicInputsHash;
        bytes proof;
    }
}
