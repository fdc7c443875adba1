// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups, ITableVenue} from "../../contracts/src/interfaces/IRollups.sol";
import {Stage} from "./tables/Stage.sol";

/// @dev The cheat codes this file needs.
interface StorageVm {
    function record() external;
    function accesses(address who)
        external
        returns (bytes32[] memory read, bytes32[] memory written);
    function load(address who, bytes32 slot) external view returns (bytes32);
}

/// @notice Rollups, their owners and proxies; and every function of the registry met by anybody
/// with anything.
contract RollupsTest is Stage {
    uint256 private constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    function testRollupsAreCountedFromOne(
        address by,
        address itsVerifier,
        bytes32 programId,
        bytes32 stateRoot,
        bool nativeToken
    ) public {
        stateRoot = bytes32(uint256(stateRoot) % R);
        eq(registry.rollupCount(), 3);
        vm.expectEmit(address(registry));
        emit IRollups.Registered(4, by, itsVerifier, programId);
        vm.expectEmit(address(registry));
        emit IRollups.RootSet(4, stateRoot);
        uint64 id = registry.register(by, itsVerifier, programId, stateRoot, nativeToken);
        eq(id, 4);
        eq(registry.rollupCount(), 4);
        IRollups.Rollup memory it = registry.rollupOf(id);
        eq(it.owner, by);
        eq(it.verifier, itsVerifier);
        eq(it.programId, programId);
        eq(it.stateRoot, stateRoot);
        eq(it.nativeToken, nativeToken);
        eq(it.balanceWei, 0);
    }

    function testRootsAreInTheField(uint256 stateRoot) public {
        stateRoot = bound(stateRoot, R, type(uint256).max);
        bytes memory refusal = abi.encodeWithSelector(IRollups.BadRoot.selector, stateRoot);
        vm.expectRevert(refusal);
        registry.register(owner, address(verifier), PROGRAM, bytes32(stateRoot), false);
        vm.prank(owner);
        vm.expectRevert(refusal);
        registry.setRoot(ONE, bytes32(stateRoot));
        vm.prank(owner);
        registry.setRoot(ONE, bytes32(R - 1));
    }

    function testOwnerSetsProgramRootAndOwner(
        address newOwner,
        address itsVerifier,
        bytes32 programId,
        bytes32 stateRoot
    ) public {
        stateRoot = bytes32(uint256(stateRoot) % R);
        vm.expectEmit(address(registry));
        emit IRollups.ProgramSet(TWO, itsVerifier, programId);
        vm.prank(owner);
        registry.setProgram(TWO, itsVerifier, programId);
        vm.expectEmit(address(registry));
        emit IRollups.RootSet(TWO, stateRoot);
        vm.prank(owner);
        registry.setRoot(TWO, stateRoot);
        vm.expectEmit(address(registry));
        emit IRollups.OwnerSet(TWO, newOwner);
        vm.prank(owner);
        registry.setOwner(TWO, newOwner);
        IRollups.Rollup memory it = registry.rollupOf(TWO);
        eq(it.owner, newOwner);
        eq(it.verifier, itsVerifier);
        eq(it.programId, programId);
        eq(it.stateRoot, stateRoot);
        isAt(ONE, 0);
        eq(registry.rollupOf(THREE).owner, owner);
    }

    function testNobodyElseSetsAnything(address caller, uint8 which) public {
        vm.assume(caller != owner);
        uint64 id = uint64(bound(which, ONE, THREE));
        ownersCallsFail(id, caller, abi.encodeWithSelector(IRollups.NotOwner.selector, id, caller));
    }

    /// Nor does anybody once the owner gave it up: no call comes from the zero address.
    function testRollupWithoutAnOwnerStaysAsItIs(address caller) public {
        vm.assume(caller != address(0));
        vm.prank(owner);
        registry.setOwner(ONE, address(0));
        ownersCallsFail(
            ONE, caller, abi.encodeWithSelector(IRollups.NotOwner.selector, ONE, caller)
        );
    }

    function testUnknownRollupsAreRefused(uint64 id, address account, bytes calldata data) public {
        if (id != 0) id = uint64(bound(id, 4, type(uint64).max));
        bytes memory refusal = abi.encodeWithSelector(IRollups.UnknownRollup.selector, id);
        ownersCallsFail(id, owner, refusal);
        vm.expectRevert(refusal);
        registry.rollupOf(id);
        vm.expectRevert(refusal);
        registry.createProxy(account, id);
        vm.expectRevert(refusal);
        registry.tryCall(account, id, data);
        vm.expectRevert(refusal);
        registry.executeL2TX(id, account, data);
    }

    function ownersCallsFail(uint64 id, address caller, bytes memory refusal) private {
        vm.prank(caller);
        vm.expectRevert(refusal);
        registry.setProgram(id, address(1), 0);
        vm.prank(caller);
        vm.expectRevert(refusal);
        registry.setRoot(id, 0);
        vm.prank(caller);
        vm.expectRevert(refusal);
        registry.setOwner(id, caller);
    }

    function testProxyIsWhereItWasForetold(address original, uint8 which, address caller) public {
        uint64 id = uint64(bound(which, ONE, THREE));
        address foretold = registry.proxyOf(original, id);
        eq(foretold.code.length, 0);
        standsFor(foretold, address(0), 0);
        vm.expectEmit(address(registry));
        emit IRollups.ProxyCreated(foretold, original, id);
        vm.prank(caller);
        eq(registry.createProxy(original, id), foretold);
        eq(foretold.code.length != 0, true);
        standsFor(foretold, original, id);
        // Again it is the same one.
        eq(registry.createProxy(original, id), foretold);
    }

    function testProxiesAreOfOneAddressAndOneRollupEach(address x, address y) public view {
        vm.assume(x != y);
        eq(registry.proxyOf(x, ONE) == registry.proxyOf(y, ONE), false);
        eq(registry.proxyOf(x, ONE) == registry.proxyOf(x, TWO), false);
    }

    function standsFor(address itsProxy, address original, uint64 id) private view {
        (address itsOriginal, uint64 itsId) = registry.originOf(itsProxy);
        eq(itsOriginal, original);
        eq(itsId, id);
    }

    /// A proxy has no function of its own: everything is passed on, with who called and what came
    /// along.
    function testProxyPassesOnWhatever(address caller, uint96 valueWei, bytes calldata data)
        public
    {
        address door = proxy(B, ONE);
        vm.assume(caller != address(registry) && caller != door);
        vm.deal(caller, valueWei);
        stageVm.prank(caller, user);
        (bool ok, bytes memory answer) = door.call{value: valueWei}(data);
        eq(ok, false);
        same(answer, missing(fromL1(caller, ONE, B, valueWei, data), root(ONE, 0)));
        eq(caller.balance, valueWei);
    }

    function testTryCallIsTheCallersOwn(
        address caller,
        address callee,
        uint96 valueWei,
        bytes calldata data
    ) public {
        vm.deal(caller, valueWei);
        Action memory action = tryFromL1(caller, TWO, callee, valueWei, data);
        vm.expectRevert(missing(action, user, root(TWO, 0)));
        stageVm.prank(caller, user);
        registry.tryCall{value: valueWei}(callee, TWO, data);
        eq(caller.balance, valueWei);
    }

    function testTransactionOfARollupNeedsAnEntry(address account, bytes calldata data) public {
        bytes memory refusal = missing(ownTransaction(TWO, account, data), user, root(TWO, 0));
        vm.expectRevert(refusal);
        stageVm.prank(stranger, user);
        registry.executeL2TX(TWO, account, data);
    }

    function testNobodyPassesForAProxy(address caller, address source, bytes calldata data) public {
        bytes memory refusal = abi.encodeWithSelector(IRollups.NotProxy.selector, caller);
        vm.expectRevert(refusal);
        vm.prank(caller);
        registry.executeCall(source, data);
        vm.expectRevert(refusal);
        vm.prank(caller);
        registry.lookup(source, data);
    }

    /// No ether comes in but with a call.
    function testRegistryTakesNoPlainEther(uint96 valueWei, bytes4 selector) public {
        vm.deal(user, valueWei);
        vm.prank(user);
        (bool ok,) = address(registry).call{value: valueWei}(abi.encodePacked(selector));
        eq(ok, false);
        eq(address(registry).balance, 0);
    }

    function testDigestIsOfTheBytes(bytes32 digest, bytes calldata rubbish) public {
        bytes32 actual = sha256(rubbish);
        vm.assume(digest != actual);
        vm.expectRevert(abi.encodeWithSelector(IRollups.WrongDigest.selector, digest, actual));
        registry.post(digest, rubbish, new TableProof[](0));
    }

    function testRubbishIsNoTable(bytes calldata rubbish) public {
        bytes32 digest = sha256(rubbish);
        bytes memory refusal = abi.encodeWithSelector(IRollups.NotCanonical.selector);
        vm.expectRevert(refusal);
        registry.post(digest, rubbish, new TableProof[](0));
        vm.expectRevert(refusal);
        registry.publicInputsHash(rubbish, address(verifier), PROGRAM);
    }

    function testNothingWaitsThatWasNotPosted(IRollups.Key calldata key) public view {
        eq(registry.waiting(key), 0);
    }

    /// What is not there is cleaned in vain; what is, stays until it is old.
    function testCleaningTakesNothingThatLives(IRollups.Key calldata key, uint64 blockNumber)
        public
    {
        IRollups.Key[] memory keys = new IRollups.Key[](1);
        keys[0] = key;
        blockNumber = uint64(bound(blockNumber, 1, type(uint64).max / 2));
        stageVm.roll(blockNumber);
        uint256 cleanableFrom = uint256(key.blockNumber) + registry.CLEANABLE_AFTER();
        Table memory t = simple();
        post(t);
        if (blockNumber < cleanableFrom) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IRollups.NotOldEnough.selector, key.blockNumber, cleanableFrom
                )
            );
        }
        registry.clean(keys);
        eq(waits(t.entries[0].action, 0), 1);
    }

    /// The same bytes in a later block are a table like any other.
    function testTableIsPostedAgainInALaterBlock(uint8 blocks) public {
        Table memory t = simple();
        t.lastBlock = BLOCK + 300;
        post(t);
        eq(waits(t.entries[0].action, 0), 1);
        stageVm.roll(BLOCK + bound(blocks, 1, 300));
        eq(waits(t.entries[0].action, 0), 0);
        vm.expectEmit(address(registry));
        emit ITableVenue.Recorded(sha256(abi.encode(t)), address(this));
        post(t);
        eq(waits(t.entries[0].action, 0), 1);
        run();
        isAt(ONE, 1);
    }

    /// Of what is consumed there stays in storage: the new root, the queue's end, the digest's
    /// block. Cleaning takes the queue as well.
    function testConsumedEntryLeavesNothingBehind(bytes calldata answer) public {
        vm.assume(answer.length <= 4096);
        StorageVm storageVm = StorageVm(address(vm));
        Table memory t = ofTwo(0);
        t.entries[0].next.data = answer;
        IRollups.Key memory key = keyOf(t.entries[0].action, root(ONE, 0));
        storageVm.record();
        post(t);
        (, bytes32[] memory written) = storageVm.accesses(address(registry));
        run();
        isAt(ONE, 1);
        isAt(TWO, 1);
        eq(left(written), 2);
        stageVm.roll(BLOCK + registry.CLEANABLE_AFTER());
        IRollups.Key[] memory keys = new IRollups.Key[](1);
        keys[0] = key;
        registry.clean(keys);
        eq(left(written), 1);
    }

    /// So does cleaning, of what was never consumed: only the digest's block is left.
    function testCleanedEntriesLeaveNothingBehind(bytes calldata data, uint128 valueWei) public {
        vm.assume(data.length <= 4096);
        valueWei = uint128(bound(valueWei, 0, type(uint128).max / 2));
        StorageVm storageVm = StorageVm(address(vm));
        Table memory t = simple();
        t.entries[0].next = callOut(ONE, B, TWO, D, valueWei, data, frame(1, 2));
        t.entries[0].deltas[0].etherDelta = -int128(valueWei);
        t.entries = and(t.entries, t.entries[0]);
        IRollups.Key[] memory keys = new IRollups.Key[](1);
        keys[0] = keyOf(t.entries[0].action, root(ONE, 0));
        storageVm.record();
        post(t);
        (, bytes32[] memory written) = storageVm.accesses(address(registry));
        eq(registry.waiting(keys[0]), 2);
        stageVm.roll(BLOCK + registry.CLEANABLE_AFTER());
        registry.clean(keys);
        eq(left(written), 1);
    }

    /// Somebody posts for the user, first, an entry of its very call that cannot be consumed:
    /// the user's own comes before it.
    function testNobodyBlocksAnExecutorsOwnTable() public {
        Table memory good = ofTwo(0);
        Table memory stale = ofTwo(7);
        post(stale);
        runFails(
            abi.encodeWithSelector(IRollups.WrongRoot.selector, TWO, root(TWO, 7), root(TWO, 0))
        );
        postAs(user, good);
        eq(waits(good.entries[0].action, 0), 2);
        run();
        isAt(ONE, 1);
        isAt(TWO, 1);
    }

    /// Nor by posting a copy of the table behind such an entry.
    function testCopyPostedBeforeIsNotTheExecutorsOwn() public {
        post(ofTwo(7));
        Table memory good = ofTwo(0);
        post(good);
        postAs(user, good);
        postAs(user, good); // again it changes nothing
        eq(waits(good.entries[0].action, 0), 3);
        run();
        isAt(ONE, 1);
        isAt(TWO, 1);
    }

    function postAs(address sender, Table memory t) private {
        bytes memory canonical = abi.encode(t);
        bytes32 digest = sha256(canonical);
        TableProof[] memory proofs = prove(t);
        stageVm.prank(sender, sender);
        registry.post(digest, canonical, proofs);
    }

    /// @dev `simple`, with a step of rollup 2 from its n-th root.
    function ofTwo(uint256 n) private returns (Table memory t) {
        t = simple();
        t.entries[0].deltas = new StateDelta[](2);
        t.entries[0].deltas[0] = delta(ONE, 0, 1, 0);
        t.entries[0].deltas[1] = delta(TWO, n, n + 1, 0);
        t.programs = programsOf(t.entries);
    }

    /// @dev How many of these slots are not zero. None is counted twice.
    function left(bytes32[] memory slots) private view returns (uint256 count) {
        for (uint256 i = 0; i < slots.length; i++) {
            bool known = false;
            for (uint256 j = 0; j < i; j++) {
                known = known || slots[j] == slots[i];
            }
            bytes32 value = StorageVm(address(vm)).load(address(registry), slots[i]);
            if (!known && value != 0) count++;
        }
    }

    /// @dev One call of `a` through B's proxy, answered at once.
    function simple() private returns (Table memory t) {
        a.forget();
        a.willCall(proxy(B, ONE), 0, "ab");
        Action memory action = fromL1(address(a), ONE, B, 0, "ab");
        t = tableOf(list(entry(action, 0, 1, result(ONE, L1, "ba", TOP))));
    }
}
