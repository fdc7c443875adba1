// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups, ITableVenue} from "../../../contracts/src/interfaces/IRollups.sol";
import {Stage} from "./Stage.sol";

/// @notice Where, when and for whom a table is good, and what becomes of it.
contract LifeTest is Stage {
    function setUp() public override {
        super.setUp();
        a.willCall(proxy(B, ONE), 0, "buy");
    }

    function simple() private view returns (Table memory) {
        Action memory action = fromL1(address(a), ONE, B, 0, "buy");
        return tableOf(list(entry(action, 0, 1, result(ONE, L1, "bought", TOP))));
    }

    function call() private view returns (Action memory) {
        return fromL1(address(a), ONE, B, 0, "buy");
    }

    function missingNow() private view returns (bytes memory) {
        return missing(call(), registry.rollupOf(ONE).stateRoot);
    }

    /// C answers otherwise than it did when the table was written: the transaction reverts, and
    /// what was not used dies with the block.
    function testL1TakesAnotherBranchThanSimulated() public {
        Action memory out = callOut(ONE, B, L1, address(c), 0, "bc", frame(0));
        Action memory back = result(L1, ONE, "simulated", frame(0));
        post(list(entry(call(), 0, 1, out), entry(back, 1, 2, result(ONE, L1, "", TOP))));
        c.willAnswer("real");
        runFails(missing(result(L1, ONE, "real", frame(0)), root(ONE, 1)));
        isAt(ONE, 0);
        eq(c.calls(), 0);
        eq(waits(call(), 0), 1);
        stageVm.roll(BLOCK + 1);
        c.willAnswer("simulated");
        runFails(missing(call(), root(ONE, 0)));
        eq(waits(call(), 0), 0);
    }

    /// The swallowed failure does not help: what was consumed before it is whole or gone.
    function testSwallowedMissingEntryLeavesNothingHalfDone() public {
        Action memory out = callOut(ONE, B, L1, address(c), 0, "bc", frame(0));
        post(list(entry(call(), 0, 1, out)));
        a.forget();
        a.willTry(proxy(B, ONE), 0, "buy");
        run();
        heardFailure(a, 0, missing(result(L1, ONE, "", frame(0)), root(ONE, 1)));
        isAt(ONE, 0);
        eq(waits(call(), 0), 1);
    }

    function testEntriesDieWithTheirBlock() public {
        post(simple());
        stageVm.roll(BLOCK + 1);
        runFails(missingNow());
        stageVm.roll(BLOCK);
        run();
        isAt(ONE, 1);
    }

    function testEntryOfAnotherRootIsNotFound() public {
        post(simple());
        vm.prank(owner);
        registry.setRoot(ONE, root(ONE, 9));
        runFails(missing(call(), root(ONE, 9)));
    }

    /// What stayed behind in an earlier block does not stand in the way of the same table in a
    /// later one.
    function testStaleEntriesMeetNoLookup() public {
        post(simple());
        stageVm.roll(BLOCK + 1);
        Table memory t = simple();
        t.entries[0].next.data = "bought later";
        post(t);
        eq(waits(call(), 0), 1);
        run();
        heard(a, 0, "bought later");
    }

    function testTableOfAnotherChainIsRefused() public {
        Table memory t = simple();
        bytes memory why =
            abi.encodeWithSelector(IRollups.WrongContext.selector, CHAIN, address(registry));
        vm.chainId(CHAIN + 1);
        postFails(t, why);
    }

    function testTableOfAnotherRegistryIsRefused() public {
        Table memory t = simple();
        address first = address(registry);
        registry = deployRegistry();
        postFails(t, abi.encodeWithSelector(IRollups.WrongContext.selector, CHAIN, first));
    }

    function testTableOfAnotherBlockIsRefused() public {
        Table memory t = simple();
        bytes4 wrong = IRollups.WrongBlock.selector;
        stageVm.roll(t.firstBlock - 1);
        postFails(t, abi.encodeWithSelector(wrong, t.firstBlock, t.lastBlock, t.firstBlock - 1));
        stageVm.roll(t.lastBlock + 1);
        postFails(t, abi.encodeWithSelector(wrong, t.firstBlock, t.lastBlock, t.lastBlock + 1));
        stageVm.roll(t.lastBlock);
        post(t);
        run();
        isAt(ONE, 1);
    }

    function testTableBoundToAParentIsGoodAfterItAlone() public {
        Table memory t = simple();
        t.parentHash = keccak256("parent");
        stageVm.setBlockhash(BLOCK - 1, keccak256("another"));
        postFails(
            t,
            abi.encodeWithSelector(
                IRollups.WrongParent.selector, t.parentHash, keccak256("another")
            )
        );
        stageVm.setBlockhash(BLOCK - 1, t.parentHash);
        post(t);
        run();
    }

    /// A table consumed in its block is not good once more in the next: its root has moved.
    function testTableIsNotGoodTwice() public {
        Table memory t = simple();
        post(t);
        run();
        stageVm.roll(BLOCK + 1);
        post(t);
        runFails(missing(call(), root(ONE, 1)));
    }

    function testStrangerCannotConsumeAUsersEntryDirectly() public {
        Action memory action = fromL1(user, ONE, B, 0, "mine");
        post(list(entry(action, 0, 1, result(ONE, L1, "", TOP))));
        address door = proxy(B, ONE);
        stageVm.prank(stranger, stranger);
        (bool ok, bytes memory data) = door.call("mine");
        eq(ok, false);
        same(data, missing(fromL1(stranger, ONE, B, 0, "mine"), stranger, root(ONE, 0)));
        stageVm.prank(user, user);
        (ok,) = door.call("mine");
        eq(ok, true);
        isAt(ONE, 1);
    }

    /// The same calling contract, so the same action: the origin tells them apart.
    function testStrangerCannotConsumeAUsersEntryThroughTheSameContract() public {
        post(simple());
        (bool ok, bytes memory data) = attempt(stranger, 0);
        eq(ok, false);
        same(data, missing(call(), stranger, root(ONE, 0)));
        run();
        isAt(ONE, 1);
    }

    function testTableWithoutAnExecutorIsForAnyone() public {
        Table memory t = simple();
        t.executor = address(0);
        post(t);
        (bool ok,) = attempt(stranger, 0);
        eq(ok, true);
        isAt(ONE, 1);
    }

    /// Who has a table of its own is served from it first.
    function testOwnEntriesComeBeforeAnyones() public {
        Table memory t = simple();
        t.executor = address(0);
        (t.entries[0].next.data, t.entries[0].deltas[0].rootAfter) = ("anyone's", root(ONE, 0));
        post(t);
        Table memory own = simple();
        (own.entries[0].next.data, own.entries[0].deltas[0].rootAfter) = ("own", root(ONE, 0));
        post(own);
        run();
        heard(a, 0, "own");
        run();
        heard(a, 1, "anyone's");
    }

    function testIdenticalRepostSucceedsAndChangesNothing() public {
        Table memory t = simple();
        bytes32 digest = sha256(abi.encode(t));
        post(t);
        vm.expectEmit(address(registry));
        emit ITableVenue.Recorded(digest, address(this));
        post(t);
        eq(waits(call(), 0), 1);
        run();
        post(t);
        eq(waits(call(), 0), 0);
    }

    /// After its entries were consumed and the root came back, a repost does not refill them.
    function testRepostDoesNotRefillWhatWasConsumed() public {
        Table memory t = simple();
        t.entries[0].deltas[0].rootAfter = root(ONE, 0);
        post(t);
        run();
        post(t);
        runFails(missing(call(), root(ONE, 0)));
    }

    function testRepostIsVerifiedAgain() public {
        Table memory t = simple();
        post(t);
        bytes memory canonical = abi.encode(t);
        bytes32 digest = sha256(canonical);
        TableProof[] memory proofs = prove(t);
        proofs[0].proof = "rubbish";
        vm.expectRevert(abi.encodeWithSelector(IRollups.ProofInvalid.selector, address(verifier)));
        registry.post(digest, canonical, proofs);
    }

    function testAnotherTableUnderTheSameDigestIsRefused() public {
        Table memory t = simple();
        bytes32 digest = sha256(abi.encode(t));
        post(t);
        t.entries[0].next.data = "another";
        bytes memory canonical = abi.encode(t);
        TableProof[] memory proofs = prove(t);
        vm.expectRevert(
            abi.encodeWithSelector(IRollups.WrongDigest.selector, digest, sha256(canonical))
        );
        registry.post(digest, canonical, proofs);
    }

    function testCleanupGoesInPagesAndTakesOnlyWhatIsOld() public {
        Entry[] memory entries;
        for (uint256 i = 0; i < 6; i++) {
            Action memory action = fromL1(address(a), ONE, B, 0, abi.encode(i / 2));
            entries = and(entries, entry(action, 0, 1, result(ONE, L1, "", TOP)));
        }
        post(entries);
        IRollups.Key[] memory first = new IRollups.Key[](2);
        IRollups.Key[] memory second = new IRollups.Key[](1);
        first[0] = keyOf(entries[0].action, root(ONE, 0));
        first[1] = keyOf(entries[2].action, root(ONE, 0));
        second[0] = keyOf(entries[4].action, root(ONE, 0));
        uint64 cleanableFrom = BLOCK + registry.CLEANABLE_AFTER();
        stageVm.roll(cleanableFrom - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IRollups.NotOldEnough.selector, BLOCK, cleanableFrom)
        );
        registry.clean(first);
        stageVm.roll(cleanableFrom);
        vm.prank(stranger);
        registry.clean(first);
        eq(registry.waiting(first[0]), 0);
        eq(registry.waiting(first[1]), 0);
        eq(registry.waiting(second[0]), 2);
        registry.clean(second);
        eq(registry.waiting(second[0]), 0);
        registry.clean(first); // again: there is nothing, and nothing happens
    }

    /// One key of a page that is too young refuses the page: nothing of it is deleted.
    function testCleanupOfALiveEntryIsRefused() public {
        post(simple());
        IRollups.Key[] memory keys = new IRollups.Key[](1);
        keys[0] = keyOf(call(), root(ONE, 0));
        uint64 cleanableFrom = BLOCK + registry.CLEANABLE_AFTER();
        vm.expectRevert(
            abi.encodeWithSelector(IRollups.NotOldEnough.selector, BLOCK, cleanableFrom)
        );
        registry.clean(keys);
        run();
        isAt(ONE, 1);
    }
}
