// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../../../contracts/src/interfaces/IRollups.sol";
import {Stage} from "./Stage.sol";

/// @notice What anybody may do with tables, in any order: random transactions over three rollups,
/// with a model of roots and balances beside them. A transaction either does all the model says, or
/// nothing.
contract TablesHandler is Stage {
    /// @dev The model: how far each rollup's story went, and what it holds.
    uint256[4] public chapter;
    uint256[4] public balanceWei;
    /// @dev No two transactions ask for the same: what one left behind serves no other.
    uint256 private asked;

    function setUp() public override {
        super.setUp();
        vm.deal(address(a), type(uint120).max);
    }

    /// Ether goes in, in a call that succeeds, fails, or has no entry.
    function deposit(uint64 seed, uint96 valueWei, uint8 kind) external {
        uint64 id = pick(seed);
        bytes memory data = fresh();
        valueWei = uint96(bound(valueWei, 0, 10 ether));
        Action memory call = fromL1(address(a), id, B, valueWei, data);
        uint256 now_ = chapter[id];
        Action memory next =
            kind % 3 == 0 ? failure(id, L1, "no", valueWei, TOP) : result(id, L1, "", TOP);
        if (kind % 3 != 1) post(list(entry(call, now_, now_ + 1, next)));
        act(proxy(B, id), valueWei, data, kind % 3 == 2);
        if (kind % 3 == 2) (chapter[id], balanceWei[id]) = (now_ + 1, balanceWei[id] + valueWei);
    }

    /// A rollup pays a contract of L1 that takes it, or reverts and has its rollup go on.
    function pay(uint64 seed, uint96 valueWei, bool fails) external {
        uint64 id = pick(seed);
        bytes memory data = fresh();
        valueWei = uint96(bound(valueWei, 0, 10 ether));
        uint256 now_ = chapter[id];
        address payee = fails ? address(verifier) : address(c);
        Action memory out = callOut(id, B, L1, payee, valueWei, "out", frame(0));
        Action memory back =
            fails ? failure(L1, id, "", valueWei, frame(0)) : result(L1, id, "", frame(0));
        post(
            list(
                entry(fromL1(address(a), id, B, 0, data), now_, now_ + 1, out),
                entry(back, now_ + 1, now_ + 2, result(id, L1, "", TOP))
            )
        );
        bool covered = valueWei <= balanceWei[id];
        act(proxy(B, id), 0, data, covered);
        if (!covered) return;
        chapter[id] = now_ + 2;
        if (!fails) balanceWei[id] -= valueWei;
    }

    /// A rollup sends ether to another without L1 between; the other takes it or fails.
    function send(uint64 seed, uint64 other, uint96 valueWei, bool fails) external {
        uint64 id = pick(seed);
        bytes memory data = fresh();
        valueWei = uint96(bound(valueWei, 0, 10 ether));
        uint64 to = pick(other);
        if (to == id) to = id % 3 + 1;
        (uint256 mine, uint256 its) = (chapter[id], chapter[to]);
        Action memory out = callOut(id, B, to, D, valueWei, data, frame(0));
        Action memory back =
            fails ? failure(to, id, "", valueWei, frame(0)) : result(to, id, "", frame(0));
        post(
            list(
                entry(fromL1(address(a), id, B, 0, data), mine, mine + 1, out),
                entry(out, its, its + 1, back),
                entry(back, mine + 1, mine + 2, result(id, L1, "", TOP))
            )
        );
        bool covered = valueWei <= balanceWei[id];
        act(proxy(B, id), 0, data, covered);
        if (!covered) return;
        chapter[id] = mine + 2;
        if (fails) return;
        chapter[to] = its + 1;
        balanceWei[id] -= valueWei;
        balanceWei[to] += valueWei;
    }

    /// TRY_CALL with ether: a proven failure brings it back, and nothing moved.
    function tryIt(uint64 seed, uint96 valueWei, bool fails) external {
        uint64 id = pick(seed);
        bytes memory data = fresh();
        valueWei = uint96(bound(valueWei, 0, 10 ether));
        uint256 now_ = chapter[id];
        Action memory next = fails ? failure(id, L1, "no", valueWei, TOP) : result(id, L1, "", TOP);
        post(list(entry(tryFromL1(address(a), id, B, valueWei, data), now_, now_ + 1, next)));
        act(address(registry), valueWei, abi.encodeCall(IRollups.tryCall, (B, id, data)), true);
        if (!fails) (chapter[id], balanceWei[id]) = (now_ + 1, balanceWei[id] + valueWei);
    }

    /// A rollup's own frame pays C and reverts; the rollup goes on as if it had not.
    function revertAFrame(uint64 seed, uint96 valueWei) external {
        uint64 id = pick(seed);
        bytes memory data = fresh();
        valueWei = uint96(bound(valueWei, 0, 10 ether));
        uint256 now_ = chapter[id];
        Action memory out = callOut(id, B, L1, address(c), valueWei, "out", frame(0, 0));
        Action memory on = continueOf(id, frame(0), "tie", valueWei);
        Action memory back = result(L1, id, "", frame(0, 0));
        post(
            list(
                entry(fromL1(address(a), id, B, 0, data), now_, now_ + 1, out),
                entry(back, now_ + 1, now_ + 2, revertOf(id, frame(0), "tie")),
                entry(on, now_ + 1, now_ + 3, result(id, L1, "", TOP))
            )
        );
        bool covered = valueWei <= balanceWei[id];
        act(proxy(B, id), 0, data, covered);
        if (covered) chapter[id] = now_ + 3;
    }

    /// An owner sets a root; what was posted for the old one is void.
    function setRoot(uint64 seed) external {
        uint64 id = pick(seed);
        vm.prank(owner);
        registry.setRoot(id, root(id, ++chapter[id]));
    }

    /// A table nobody uses.
    function postInVain(uint64 seed, uint96 valueWei) external {
        uint64 id = pick(seed);
        Action memory call = fromL1(stranger, id, B, valueWei, "never");
        post(list(entry(call, chapter[id], chapter[id] + 1, result(id, L1, "", TOP))));
    }

    function nextBlock() external {
        stageVm.roll(block.number + 1);
    }

    function registryWei() external view returns (uint256) {
        return address(registry).balance;
    }

    function rollup(uint64 id) external view returns (IRollups.Rollup memory) {
        return registry.rollupOf(id);
    }

    function rootAt(uint64 id) external view returns (bytes32) {
        return root(id, chapter[id]);
    }

    /// @dev Call data of a transaction of its own.
    function fresh() private returns (bytes memory) {
        return abi.encode(++asked);
    }

    function act(address target, uint256 valueWei, bytes memory data, bool succeeds) private {
        a.forget();
        a.willCall(target, valueWei, data);
        (bool ok, bytes memory reason) = attempt(user, 0);
        if (ok == succeeds) return;
        revert Different(reason, abi.encode(succeeds));
    }

    /// @dev Stories are short of a thousand chapters: a history has at most 256 steps of three.
    function pick(uint64 seed) private pure returns (uint64) {
        return seed % 3 + 1;
    }
}
