// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBonds} from "../../contracts/src/interfaces/IBonds.sol";
import {IMessages} from "../../contracts/src/interfaces/IMessages.sol";
import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {Messages} from "../../contracts/src/libraries/Messages.sol";
import {Base} from "./Base.sol";
import {BoundVerifier} from "./BoundVerifier.sol";

/// @notice A market with a builder and three provers, and everything they sign. Digests are built
/// here from memory with `abi.encode`, not with the contract's own hashing.
abstract contract Market is Base, IMessages {
    uint256 internal constant NOW = 1_800_000_000;
    uint256 internal constant W = 768;
    uint256 internal constant COMMIT = 36;
    uint256 internal constant SLOT = 12;
    uint256 internal constant EXIT = 3_600;
    uint96 internal constant ESCROW = 10 ether;
    uint96 internal constant STAKE = 8 ether;
    uint96 internal constant BOND = 5 ether;

    uint256 internal constant BUILDER_KEY = 0xb1;
    uint256 internal constant WINNER_KEY = 0xa1;
    uint256 internal constant BACKUP_KEY = 0xa2;
    uint256 internal constant THIRD_KEY = 0xa3;
    address internal immutable builder = vm.addr(BUILDER_KEY);
    address internal immutable winner = vm.addr(WINNER_KEY);
    address internal immutable backup = vm.addr(BACKUP_KEY);
    address internal immutable third = vm.addr(THIRD_KEY);

    ISettlement internal settlement;
    IBonds internal bonds;
    BoundVerifier internal verifier;

    /// @dev Everything agreed before anybody starts.
    struct Job {
        ProofRequest request;
        bytes32 requestId;
        Award award;
        bytes32 awardId;
        ISettlement.BidProof[2] bids; // the winner's and the backup's
    }

    /// @dev One prover's obligation.
    struct Started {
        bytes acceptanceSignature;
        Start start;
        bytes startSignature;
    }

    function setUp() public virtual {
        vm.warp(NOW);
        vm.fee(0); // tests that are about gas money set their own
        settlement = deploy(
            ISettlement.Windows({
                claimWindowS: uint32(W),
                commitWindowS: uint32(COMMIT),
                slotS: uint32(SLOT),
                maxJobS: 60,
                exitDelayS: uint32(EXIT)
            })
        );
        bonds = IBonds(settlement.bonds());
        verifier = new BoundVerifier();
        vm.deal(address(this), 1e6 ether);
        settlement.depositEscrow{value: ESCROW}(builder);
        bonds.deposit{value: STAKE}(builder, IBonds.Role.Builder);
        bonds.deposit{value: BOND}(winner, IBonds.Role.Prover);
        bonds.deposit{value: BOND}(backup, IBonds.Role.Prover);
        bonds.deposit{value: BOND}(third, IBonds.Role.Prover);
    }

    /// @dev By artifact, not by `new`: a test that carries the market's code takes the compiler ten
    /// times as long.
    function deploy(ISettlement.Windows memory w) internal returns (ISettlement) {
        return ISettlement(vm.deployCode("Settlement.sol:Settlement", abi.encode(w)));
    }

    function request(uint64 nonce) internal view returns (ProofRequest memory) {
        return ProofRequest({
            builder: builder,
            nonce: nonce,
            venue: address(0xabc),
            verifier: address(verifier),
            programId: "program",
            publicInputsHash: keccak256(abi.encode("inputs", nonce)),
            tableDigest: "table",
            builderPeer: "peer",
            work: 4,
            inputBytes: 1_000,
            reserveWei: 2 ether,
            latenessWeiPerMs: 1e13,
            bondWei: 3 ether,
            claimBaseFeeCapWei: 50 gwei,
            openedAt: uint48(NOW * 1000),
            closesAt: uint48(NOW * 1000 + 400),
            softDueAt: uint48(NOW * 1000 + 6_000),
            dueAt: uint48(NOW * 1000 + 20_000),
            auctionKey: "key",
            backups: 1,
            retryOf: 0,
            bundleId: 0,
            bundleIndex: 0,
            bundleSize: 0
        });
    }

    /// @dev A job of the terms above: the winner bids 1 ether and promises +5 s, the backup 1.5
    /// ether and +5.5 s.
    function job(uint64 nonce) internal view returns (Job memory) {
        return job(request(nonce));
    }

    function job(ProofRequest memory terms) internal view returns (Job memory it) {
        it.request = terms;
        it.requestId = digest(hash(terms));
        uint48 opened = terms.openedAt;
        it.bids[0] = bid(it.requestId, 1 ether, opened + 5_000);
        it.bids[1] = bid(it.requestId, 1.5 ether, opened + 5_500);
        bytes32 won = bidId(it.requestId, winner, it.bids[0]);
        bytes32 second = bidId(it.requestId, backup, it.bids[1]);
        (it.bids[0].path, it.bids[1].path) = (new bytes32[](1), new bytes32[](1));
        it.bids[0].path[0] = leaf(second, it.bids[1]);
        it.bids[1].path[0] = leaf(won, it.bids[0]);
        it.award = Award({
            requestId: it.requestId,
            bidId: won,
            prover: winner,
            priceWei: it.bids[0].priceWei,
            readyAt: it.bids[0].readyAt,
            bidsRoot: pair(it.bids[0].path[0], it.bids[1].path[0]),
            bidCount: 2,
            auctionSecret: "secret",
            backups: [backup, address(0), address(0)]
        });
        it.awardId = digest(hash(it.award));
    }

    function bid(bytes32 requestId, uint128 priceWei, uint48 readyAt)
        internal
        pure
        returns (ISettlement.BidProof memory)
    {
        bytes32 commitment = keccak256(abi.encode(requestId, priceWei, readyAt));
        bytes32[3] memory sealedOpening = [bytes32("a"), "b", "c"];
        return ISettlement.BidProof(commitment, sealedOpening, priceWei, readyAt, new bytes32[](0));
    }

    function bidId(bytes32 requestId, address prover, ISettlement.BidProof memory it)
        internal
        view
        returns (bytes32)
    {
        bytes32 array = keccak256(abi.encodePacked(it.sealedOpening));
        return digest(
            keccak256(abi.encode(Messages.BID_TYPEHASH, requestId, prover, it.commitment, array))
        );
    }

    function leaf(bytes32 id, ISettlement.BidProof memory it) internal pure returns (bytes32) {
        return keccak256(abi.encode(id, it.priceWei, it.readyAt));
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
    }

    function start(Job memory it, uint256 proverKey) internal view returns (Started memory) {
        return start(it, proverKey, proverKey, BUILDER_KEY);
    }

    /// @dev With other keys than the parties' own: for forgeries and registered signers.
    function start(Job memory it, uint256 proverKey, uint256 acceptKey, uint256 startKey)
        internal
        view
        returns (Started memory started)
    {
        Acceptance memory acceptance = Acceptance(it.requestId, it.awardId, vm.addr(proverKey));
        bytes32 acceptanceId =
            digest(keccak256(abi.encode(Messages.ACCEPTANCE_TYPEHASH, acceptance)));
        started.acceptanceSignature = sign(acceptKey, acceptanceId);
        started.start = Start(
            it.requestId, it.awardId, acceptanceId, vm.addr(proverKey), it.request.closesAt + 90
        );
        started.startSignature = sign(startKey, digest(hash(started.start)));
    }

    function prove(Job memory it, address prover) internal view returns (bytes memory) {
        return verifier.prove(it.request.publicInputsHash, prover);
    }

    function commit(Job memory it, address prover, bytes memory proof) internal {
        vm.prank(prover);
        settlement.commitProof(
            it.requestId, prover, keccak256(abi.encode(prover, keccak256(proof)))
        );
    }

    function claim(Job memory it, Started memory started, bytes memory proof) internal {
        ISettlement.BidProof memory own = it.bids[started.start.prover == winner ? 0 : 1];
        settlement.claim(
            it.request,
            it.award,
            started.acceptanceSignature,
            started.start,
            started.startSignature,
            own,
            proof
        );
    }

    function slash(Job memory it, Started memory started) internal {
        settlement.slash(
            it.request, started.acceptanceSignature, started.start, started.startSignature
        );
    }

    function receipt(uint64 nonce, address prover, uint128 payWei)
        internal
        view
        returns (Receipt memory)
    {
        bytes32 requestId = digest(hash(request(nonce)));
        return
            Receipt(builder, nonce, requestId, prover, payWei, "proof", uint48(NOW * 1000 + 5_000));
    }

    /// @dev A group of one receipt as `settle` takes it, signed with `key`.
    function pack(Receipt memory it, uint256 key) internal view returns (bytes memory) {
        return
            bytes.concat(bytes20(it.builder), bytes20(it.prover), bytes1(uint8(1)), item(it, key));
    }

    function item(Receipt memory it, uint256 key) internal view returns (bytes memory) {
        bytes32 id = digest(keccak256(abi.encode(Messages.RECEIPT_TYPEHASH, it)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, id);
        bytes32 vs = v == 28 ? s | bytes32(uint256(1) << 255) : s;
        bytes memory head = abi.encodePacked(it.nonce, it.requestId, it.payWei);
        return abi.encodePacked(head, it.proofHash, it.deliveredAt, r, vs);
    }

    /// @dev The prover settles its own receipt: its consent.
    function settle(Receipt memory it) internal {
        bytes memory packed = pack(it, BUILDER_KEY);
        vm.prank(it.prover);
        settlement.settle(packed);
    }

    function sign(uint256 key, bytes32 id) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, id);
        return abi.encodePacked(r, s, v);
    }

    function hash(ProofRequest memory it) internal pure returns (bytes32) {
        return keccak256(abi.encode(Messages.PROOF_REQUEST_TYPEHASH, it));
    }

    function hash(Start memory it) internal pure returns (bytes32) {
        return keccak256(abi.encode(Messages.START_TYPEHASH, it));
    }

    function hash(Award memory it) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                abi.encode(Messages.AWARD_TYPEHASH, it.requestId, it.bidId, it.prover, it.priceWei),
                abi.encode(it.readyAt, it.bidsRoot, it.bidCount, it.auctionSecret),
                keccak256(abi.encode(it.backups[0], it.backups[1], it.backups[2]))
            )
        );
    }

    function digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", settlement.domainSeparator(), structHash));
    }

    function bondOf(address prover) internal view returns (uint256) {
        IBonds.Stake memory stake = bonds.stakeOf(prover, IBonds.Role.Prover);
        return uint256(stake.activeWei) + stake.exitingWei;
    }

    function stakeOf(address account) internal view returns (uint256) {
        IBonds.Stake memory stake = bonds.stakeOf(account, IBonds.Role.Builder);
        return uint256(stake.activeWei) + stake.exitingWei;
    }

    function escrowOf(address account) internal view returns (uint256) {
        ISettlement.Escrow memory escrow = settlement.escrowOf(account);
        return uint256(escrow.availableWei) + escrow.withdrawingWei;
    }

    /// @dev First second not before `dueAt`.
    function dueS(Job memory it) internal pure returns (uint256) {
        return (uint256(it.request.dueAt) + 999) / 1000;
    }

    receive() external payable {}
}
