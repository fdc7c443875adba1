// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITables} from "./ITables.sol";

/// @title A contract tables are posted to
/// @notice What `ISettlement.settleOnPost` asks of a venue.
interface ITableVenue is ITables {
    /// @notice The table was posted. OCP: the digest is the SHA-256 of its canonical bytes.
    event Recorded(bytes32 indexed digest, address indexed recorder);

    /// @notice Posts a table in the block it is to be consumed in.
    /// @dev Reverts unless every proof given verifies for its public inputs hash, that hash is the
    /// table's for its (verifier, program), and together they cover every program of the table.
    /// Posting the same bytes again in the same block verifies again, emits again, and changes
    /// nothing else; what others post for an executor does not count as posted by it.
    /// @param digest SHA-256 of `table`: another table under it is refused.
    /// @param table Canonical bytes: the ABI encoding of an `ITables.Table`, nothing else.
    /// @param proofs One for each distinct (verifier, programId) of the table, in the order in
    /// which `table.programs` first names them.
    function post(bytes32 digest, bytes calldata table, TableProof[] calldata proofs) external;
}

/// @title Rollups on L1, and the tables that move them together
interface IRollups is ITableVenue {
    struct Rollup {
        address owner; // may set program and root; zero: nobody can
        bool nativeToken; // its money is not ether: no value crosses its border
        address verifier;
        bytes32 programId;
        bytes32 stateRoot;
        uint128 balanceWei; // ether the registry holds for it
    }

    event Registered(uint64 indexed rollupId, address owner, address verifier, bytes32 programId);
    event ProgramSet(uint64 indexed rollupId, address verifier, bytes32 programId);
    event RootSet(uint64 indexed rollupId, bytes32 stateRoot);
    event OwnerSet(uint64 indexed rollupId, address owner);
    event ProxyCreated(address indexed proxy, address indexed original, uint64 indexed rollupId);
    event Consumed(
        bytes32 indexed actionHash, uint64 indexed rollupId, bytes32 rootBefore, bytes32 rootAfter
    );

    // What the table says wrong.
    error WrongDigest(bytes32 expected, bytes32 actual);
    error NotCanonical();
    error WrongContext(uint256 chainId, address venue);
    error WrongBlock(uint64 firstBlock, uint64 lastBlock, uint256 blockNumber);
    error WrongParent(bytes32 expected, bytes32 actual);
    error WrongProgram(uint64 rollupId, address verifier, bytes32 programId);
    error BadPrograms();
    error BadEntry(uint256 entry, EntryFault fault);
    error WrongProof(uint256 proof);
    error ProofInvalid(address verifier);
    // What happens while it is consumed.
    /// @notice No entry answers this action here: the table is for another course of events.
    error MissingEntry(Action action, address executor, bytes32 stateRoot);
    error WrongRoot(uint64 rollupId, bytes32 expected, bytes32 actual);
    error RollupBalance(uint64 rollupId, uint256 balanceWei, int256 etherDelta);
    error NativeToken(uint64 rollupId);
    /// @notice The transaction of a rollup failed; a call through a proxy reverts with its data.
    error CallFailed(bytes data);
    error BadAnswer(Action next);
    /// @notice A call to L1 failed with so little gas left that more might have helped.
    error OutOfGas();
    /// @dev Both travel only between the registry's own frames.
    error ScopeReverted(Action next);
    error Answered(bytes data);
    // Others.
    error UnknownRollup(uint64 rollupId);
    error NotOwner(uint64 rollupId, address caller);
    error NotProxy(address caller);
    error OnlySelf();
    error Busy();
    error BadRoot(bytes32 root);
    error NotOldEnough(uint64 blockNumber, uint256 cleanableFrom);

    /// @notice Rules E1 to E8 of protocol/README.md that are about one entry.
    enum EntryFault {
        SIZE, // none or more than two deltas, data or scope too long, a root not in the field
        ACTING, // the first delta is not of the rollup that acts, or a rollup is named twice
        PROGRAM, // a delta's rollup has no program in the table
        ACTION, // an action that cannot start an entry, or with fields its type does not have
        NEXT, // the same of the next action; it must come from the rollup that acts
        ETHER, // the deltas do not add up to value in minus value out
        MESSAGES // sent and received do not cancel
    }

    /// @notice Registers a rollup. Ids count from 1.
    /// @param owner May set program and root; zero for nobody.
    function register(
        address owner,
        address verifier,
        bytes32 programId,
        bytes32 stateRoot,
        bool nativeToken
    ) external returns (uint64 rollupId);

    function setProgram(uint64 rollupId, address verifier, bytes32 programId) external;
    function setRoot(uint64 rollupId, bytes32 stateRoot) external;
    function setOwner(uint64 rollupId, address owner) external;
    function rollupOf(uint64 rollupId) external view returns (Rollup memory);
    function rollupCount() external view returns (uint64);

    /// @notice The proxy that stands on L1 for an address of a rollup; made by CREATE2, by anyone.
    /// Making it again returns it.
    function createProxy(address original, uint64 rollupId) external returns (address proxy);
    function proxyOf(address original, uint64 rollupId) external view returns (address proxy);
    /// @notice What a proxy stands for; rollup 0 for an address that is no proxy.
    function originOf(address proxy) external view returns (address original, uint64 rollupId);

    /// @notice A proxy passes on a call: consumes its entry, does what follows, returns the answer,
    /// or reverts with the callee's data.
    /// @param source Who called the proxy: the L1 caller the action binds.
    function executeCall(address source, bytes calldata data)
        external
        payable
        returns (bytes memory);

    /// @notice What a static call through a proxy returns: an entry that changes nothing stays.
    function lookup(address source, bytes calldata data) external view returns (bytes memory);

    /// @notice TRY_CALL: like a call through the proxy, but a proven failure is an answer. Whatever
    /// else goes wrong (a missing entry) reverts.
    /// @return ok Whether the call succeeded; if not, its value went back to the caller.
    function tryCall(address destination, uint64 rollupId, bytes calldata data)
        external
        payable
        returns (bool ok, bytes memory result);

    /// @notice Runs a rollup's own transaction (action L2TX).
    /// @param account The rollup's account that signed it.
    function executeL2TX(uint64 rollupId, address account, bytes calldata data)
        external
        returns (bytes memory);

    /// @notice Deletes entries nobody can consume any more, for the refund. A page is as long as
    /// `keys`; `CLEANABLE_AFTER` blocks must have passed since they were posted.
    function clean(Key[] calldata keys) external;

    /// @notice What an entry is found by: who may consume it, what happens, where, from which root,
    /// in which block. Those an executor posted itself are consumed before those others posted for
    /// it, and those for anyone come last.
    struct Key {
        address executor;
        bytes32 actionHash;
        uint64 rollupId;
        bytes32 stateRoot;
        uint64 blockNumber;
    }

    /// @notice Entries still waiting under a key.
    function waiting(Key calldata key) external view returns (uint256);

    /// @notice keccak256 of the words one program's proof is about (`protocol/words.ts`).
    /// @param table Canonical bytes.
    function publicInputsHash(bytes calldata table, address verifier, bytes32 programId)
        external
        view
        returns (bytes32);

    /// @notice Blocks after which entries can be cleaned.
    function CLEANABLE_AFTER() external view returns (uint64);
}
