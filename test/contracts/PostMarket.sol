// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {ITables} from "../../contracts/src/interfaces/ITables.sol";
import {Market} from "./Market.sol";
import {PlainVenue} from "./Venues.sol";

/// @notice A market whose tables are posted to a venue.
abstract contract PostMarket is Market {
    event Recorded(bytes32 indexed digest, address indexed recorder);

    PlainVenue internal venue;

    /// @dev Arguments of `settleOnPost`, in their order.
    struct Post {
        ProofRequest request;
        Award award;
        bytes acceptanceSignature;
        Start start;
        bytes startSignature;
        ISettlement.BidProof bid;
        bytes32 digest;
        bytes table;
        ITables.TableProof[] proofs;
        uint256 index;
    }

    function setUp() public virtual override {
        super.setUp();
        venue = new PlainVenue();
    }

    function postable(uint64 nonce) internal view returns (Job memory) {
        ProofRequest memory terms = request(nonce);
        terms.venue = address(venue);
        return job(terms);
    }

    function proofFor(Job memory it, address prover)
        internal
        view
        returns (ITables.TableProof memory)
    {
        ProofRequest memory terms = it.request;
        return ITables.TableProof(
            terms.verifier, terms.programId, terms.publicInputsHash, prove(it, prover)
        );
    }

    function post(Job memory it, uint256 proverKey) internal view returns (Post memory its) {
        Started memory started = start(it, proverKey);
        its.request = it.request;
        its.award = it.award;
        its.acceptanceSignature = started.acceptanceSignature;
        its.start = started.start;
        its.startSignature = started.startSignature;
        its.bid = it.bids[started.start.prover == winner ? 0 : 1];
        its.digest = it.request.tableDigest;
        its.table = "canonical bytes";
        its.proofs = new ITables.TableProof[](1);
        its.proofs[0] = proofFor(it, started.start.prover);
    }

    /// @dev The arguments of a function are encoded as a struct of them is, but for its offset.
    function encode(Post memory its) internal pure returns (bytes memory data) {
        bytes memory arguments = abi.encode(its);
        assembly ("memory-safe") {
            mstore(add(arguments, 0x20), sub(mload(arguments), 0x20))
            arguments := add(arguments, 0x20)
        }
        return bytes.concat(ISettlement.settleOnPost.selector, arguments);
    }

    function postData(Job memory it, uint256 proverKey) internal view returns (bytes memory) {
        return encode(post(it, proverKey));
    }

    function claimData(Job memory it, uint256 proverKey) internal view returns (bytes memory) {
        Started memory started = start(it, proverKey);
        return abi.encodeCall(
            ISettlement.claim,
            (
                it.request,
                it.award,
                started.acceptanceSignature,
                started.start,
                started.startSignature,
                it.bids[started.start.prover == winner ? 0 : 1],
                prove(it, started.start.prover)
            )
        );
    }

    /// @dev Sends to Settlement, and reverts with what it reverts with.
    function send(bytes memory data) internal {
        (bool done, bytes memory result) = address(settlement).call(data);
        if (done) return;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }

    /// @dev What a proof is worth that the chain saw at `minedAt`, by the rule of DESIGN 4.3
    /// written out once more. Nobody here promises later than `softDueAt`.
    function worthWei(Job memory it, uint256 priceWei, uint256 minedAt)
        internal
        pure
        returns (uint256)
    {
        uint256 deliveredAt = (minedAt - SLOT) * 1000;
        if (deliveredAt > it.request.dueAt) return 0;
        uint256 softDueAt = it.request.softDueAt;
        uint256 lateMs = deliveredAt > softDueAt ? deliveredAt - softDueAt : 0;
        uint256 feeWei = 10 * uint256(it.request.latenessWeiPerMs) * lateMs;
        return priceWei > feeWei ? priceWei - feeWei : 0;
    }
}
