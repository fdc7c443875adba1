// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../../../contracts/src/interfaces/IRollups.sol";
import {PlainVerifier} from "../BoundVerifier.sol";
import {Puppet} from "./Puppet.sol";
import {Script} from "./Script.sol";
import {Words} from "./Words.sol";

/// @notice Cheat codes that only these tests use.
interface StageVm {
    function prank(address sender, address origin) external;
    function roll(uint256 blockNumber) external;
    function setBlockhash(uint256 blockNumber, bytes32 hash) external;
}

/// @notice A registry with three rollups, a user, and contracts on L1 that follow their orders. The
/// verifier checks each proof against the words as `Words` writes them.
abstract contract Stage is Script {
    StageVm internal constant stageVm = StageVm(address(vm));
    uint256 internal constant CHAIN = 31_337;
    uint64 internal constant BLOCK = 1_000;
    bytes32 internal constant PROGRAM = bytes32("program");
    uint64 internal constant ONE = 1;
    uint64 internal constant TWO = 2;
    uint64 internal constant THREE = 3;
    /// @dev Contracts of the rollups.
    address internal constant B = address(0xb);
    address internal constant D = address(0xd);
    address internal constant E = address(0xe);

    address internal immutable owner = vm.addr(0x0a);
    address internal immutable user = vm.addr(0x0b);
    address internal immutable stranger = vm.addr(0x0c);

    IRollups internal registry;
    PlainVerifier internal verifier;
    /// @dev Contracts of L1: the user calls `a`, the rollups call `c`.
    Puppet internal a;
    Puppet internal c;

    function setUp() public virtual {
        vm.chainId(CHAIN);
        stageVm.roll(BLOCK);
        verifier = new PlainVerifier();
        registry = deployRegistry();
        (a, c) = (new Puppet(), new Puppet());
        vm.deal(user, 100 ether);
        vm.deal(stranger, 100 ether);
    }

    /// @dev With three rollups at the first roots of their stories.
    function deployRegistry() internal returns (IRollups it) {
        it = IRollups(vm.deployCode("Rollups.sol:Rollups", ""));
        for (uint64 id = ONE; id <= THREE; id++) {
            eq(it.register(owner, address(verifier), PROGRAM, root(id, 0), false), id);
        }
    }

    /// @dev A proxy for a contract of a rollup.
    function proxy(address original, uint64 rollupId) internal returns (address) {
        return registry.createProxy(original, rollupId);
    }

    /// @dev The table of these entries, for the user alone, here and now.
    function tableOf(Entry[] memory entries) internal view returns (Table memory t) {
        t.chainId = uint64(CHAIN);
        t.venue = address(registry);
        t.executor = user;
        (t.firstBlock, t.lastBlock) = (uint64(block.number), uint64(block.number) + 4);
        t.entries = entries;
        t.programs = programsOf(entries);
    }

    /// @dev By ascending id, each as the registry has it.
    function programsOf(Entry[] memory entries) internal view returns (Program[] memory programs) {
        uint64 count = registry.rollupCount();
        programs = new Program[](count);
        uint256 used;
        for (uint64 id = 1; id <= count; id++) {
            if (!named(entries, id)) continue;
            IRollups.Rollup memory rollup = registry.rollupOf(id);
            programs[used++] = Program(id, rollup.verifier, rollup.programId);
        }
        assembly {
            mstore(programs, used)
        }
    }

    function named(Entry[] memory entries, uint64 id) private pure returns (bool) {
        for (uint256 i = 0; i < entries.length; i++) {
            for (uint256 j = 0; j < entries[i].deltas.length; j++) {
                if (entries[i].deltas[j].rollupId == id) return true;
            }
        }
        return false;
    }

    /// @dev One proof for each program, in the order in which the table first names them.
    function prove(Table memory t) internal view returns (TableProof[] memory proofs) {
        proofs = new TableProof[](t.programs.length);
        uint256 used;
        for (uint256 i = 0; i < t.programs.length; i++) {
            Program memory one = t.programs[i];
            bool known = false;
            for (uint256 j = 0; j < used; j++) {
                known = known
                    || (proofs[j].verifier == one.verifier && proofs[j].programId == one.programId);
            }
            if (known) continue;
            bytes32 hash = Words.publicInputsHash(t, one.verifier, one.programId);
            bytes memory proof = verifier.prove(hash);
            proofs[used++] = TableProof(one.verifier, one.programId, hash, proof);
        }
        assembly {
            mstore(proofs, used)
        }
    }

    function post(Entry[] memory entries) internal {
        post(tableOf(entries));
    }

    function post(Table memory t) internal {
        bytes memory canonical = abi.encode(t);
        registry.post(sha256(canonical), canonical, prove(t));
    }

    /// @dev Posts and expects the refusal `reason`.
    function postFails(Table memory t, bytes memory reason) internal {
        bytes memory canonical = abi.encode(t);
        TableProof[] memory proofs = prove(t);
        bytes32 digest = sha256(canonical); // a call of its own
        vm.expectRevert(reason);
        registry.post(digest, canonical, proofs);
    }

    /// @dev The user calls `a`, which does as it was told.
    function run() internal {
        (bool ok, bytes memory data) = attempt(user, 0);
        if (!ok) {
            assembly {
                revert(add(data, 32), mload(data))
            }
        }
    }

    function attempt(address sender, uint256 valueWei)
        internal
        returns (bool ok, bytes memory data)
    {
        stageVm.prank(sender, sender);
        (ok, data) = address(a).call{value: valueWei}("act");
    }

    /// @dev The user calls `a` and all of it reverts with `reason`.
    function runFails(bytes memory reason) internal {
        (bool ok, bytes memory data) = attempt(user, 0);
        eq(ok, false);
        same(data, reason);
    }

    /// @dev What the registry says when no entry answers an action.
    function missing(Action memory action, bytes32 stands) internal view returns (bytes memory) {
        return missing(action, user, stands);
    }

    function missing(Action memory action, address executor, bytes32 stands)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IRollups.MissingEntry.selector, action, executor, stands);
    }

    function badAnswer(Action memory next) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IRollups.BadAnswer.selector, next);
    }

    /// @dev Gives a rollup ether through its border: a deposit at its root, which stays.
    function fund(uint64 rollupId, uint128 valueWei) internal {
        address from = address(0xf00d);
        Action memory action = fromL1(from, rollupId, B, valueWei, "fund");
        Entry memory it = entry(action, 0, 0, result(rollupId, L1, "", TOP));
        bytes32 live = registry.rollupOf(rollupId).stateRoot;
        (it.deltas[0].rootBefore, it.deltas[0].rootAfter) = (live, live);
        Table memory t = tableOf(list(it));
        t.executor = address(0);
        post(t);
        address to = proxy(B, rollupId);
        vm.deal(from, valueWei);
        stageVm.prank(from, from);
        (bool ok,) = to.call{value: valueWei}("fund");
        eq(ok, true);
    }

    function keyOf(Action memory action, bytes32 stands)
        internal
        view
        returns (IRollups.Key memory)
    {
        bytes32 hash = keccak256(abi.encode(action));
        return IRollups.Key(user, hash, action.rollupId, stands, uint64(block.number));
    }

    /// @dev Entries of this block still waiting for the user to do this at the rollup's n-th root.
    function waits(Action memory action, uint256 n) internal view returns (uint256) {
        return registry.waiting(keyOf(action, root(action.rollupId, n)));
    }

    function isAt(uint64 rollupId, uint256 n) internal view {
        eq(registry.rollupOf(rollupId).stateRoot, root(rollupId, n));
    }

    function holds(uint64 rollupId, uint256 balanceWei) internal view {
        eq(registry.rollupOf(rollupId).balanceWei, balanceWei);
    }

    /// @dev What `who`'s n-th call gave.
    function heard(Puppet who, uint256 n, bytes memory expected) internal view {
        (bool ok, bytes memory data) = who.heard(n);
        eq(ok, true);
        same(data, expected);
    }

    function heardFailure(Puppet who, uint256 n, bytes memory expected) internal view {
        (bool ok, bytes memory data) = who.heard(n);
        eq(ok, false);
        same(data, expected);
    }

    /// @dev What `who` saw when it was called for the n-th time.
    function saw(Puppet who, uint256 n, address caller, uint256 valueWei, bytes memory data)
        internal
        view
    {
        Puppet.Seen memory it = who.sight(n);
        eq(it.caller, caller);
        eq(it.valueWei, valueWei);
        same(it.data, data);
    }

    error Different(bytes actual, bytes expected);

    function same(bytes memory actual, bytes memory expected) internal pure {
        if (keccak256(actual) != keccak256(expected)) revert Different(actual, expected);
    }
}
