// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {Messages} from "../libraries/Messages.sol";
import {Purse} from "./Purse.sol";
import {Signers} from "./Signers.sol";

/// @notice Receipts in packed batches. One group is one (builder, prover): its escrow, its credit
/// and each word of its bitmap are written once, and one event tells of all its payments.
abstract contract Receipts is Purse, Signers {
    using SafeCast for uint256;

    uint256 private constant GROUP_BYTES = 20 + 20 + 1;
    uint256 private constant RECEIPT_BYTES = 8 + 32 + 16 + 32 + 6 + 32 + 32;
    uint256 private constant PAYMENT_BYTES = 8 + 16;

    uint8 private constant ALREADY_RESOLVED = 1;
    uint8 private constant BAD_SIGNATURE = 2;
    uint8 private constant NOTHING_TO_PAY_FROM = 3;

    /// @dev What one group is doing while its receipts are read.
    struct Group {
        address builder;
        address prover;
        bool asked; // sent by the prover or its signer: its consent to the amounts
        bool stakeCounted; // coverWei has the stake's part: asked for only once escrow is short
        uint256 coverWei; // what is left to pay from
        uint256 wantedWei; // sum of what good receipts say
        uint256 wordIndex; // which bitmap word `word` is
        uint256 word;
        bytes payments;
        uint256 paidCount;
    }

    mapping(
        address builder => mapping(address prover => mapping(uint256 nonceHigh => uint256))
    ) private _resolved;
    mapping(bytes32 jobKey => Dues) private _dues;

    /// @inheritdoc ISettlement
    function settle(bytes calldata packed) external {
        uint256 offset = 0;
        do {
            offset = _settleGroup(packed, offset);
        } while (offset < packed.length);
    }

    /// @inheritdoc ISettlement
    function isResolved(address builder, address prover, uint64 nonce)
        external
        view
        returns (bool)
    {
        return _isResolved(builder, prover, nonce);
    }

    /// @inheritdoc ISettlement
    function duesOf(address builder, address prover, uint64 nonce)
        external
        view
        returns (Dues memory)
    {
        return _dues[_jobKey(builder, prover, nonce)];
    }

    function _isResolved(address builder, address prover, uint64 nonce)
        internal
        view
        returns (bool)
    {
        return (_resolved[builder][prover][nonce >> 8] >> (nonce & 255)) & 1 == 1;
    }

    function _resolve(address builder, address prover, uint64 nonce) internal {
        _resolved[builder][prover][nonce >> 8] |= 1 << (nonce & 255);
    }

    /// @dev Pays what a claim or a post shows to be due, less what was paid already; what cannot be
    /// paid stays owed.
    /// @param last Whether nothing that is shown later can be worth more.
    function _payShown(address builder, address prover, uint64 nonce, uint256 dueWei, bool last)
        internal
        returns (uint256 paidWei)
    {
        Dues storage dues = _dues[_jobKey(builder, prover, nonce)];
        uint256 wantedWei = Math.max(Math.saturatingSub(dueWei, dues.paidWei), dues.owedWei);
        paidWei = _draw(builder, wantedWei);
        if (paidWei < wantedWei || dues.owedWei != 0 || dues.unasked || !last) {
            dues.paidWei += paidWei.toUint120();
            dues.owedWei = (wantedWei - paidWei).toUint128();
            dues.unasked = !last;
        }
        _resolve(builder, prover, nonce);
        _credit(prover, paidWei);
    }

    /// @dev Whether (builder, prover, nonce) is beyond a claim, and what was paid for it that the
    /// prover has not asked for.
    function _closed(address builder, address prover, uint64 nonce)
        internal
        view
        returns (bool closed, uint256 paidWei)
    {
        if (!_isResolved(builder, prover, nonce)) return (false, 0);
        Dues storage dues = _dues[_jobKey(builder, prover, nonce)];
        return (!dues.unasked, dues.paidWei);
    }

    function _settleGroup(bytes calldata packed, uint256 offset) private returns (uint256 end) {
        if (packed.length < offset + GROUP_BYTES) revert MalformedBatch(packed.length);
        uint256 count = uint8(packed[offset + 40]);
        end = offset + GROUP_BYTES + count * RECEIPT_BYTES;
        if (count == 0 || packed.length < end) revert MalformedBatch(packed.length);

        Group memory group;
        group.builder = address(bytes20(_word(packed, offset)));
        group.prover = address(bytes20(_word(packed, offset + 20)));
        group.asked = _speaksFor(msg.sender, group.prover);
        group.coverWei = _escrowWei(group.builder);
        group.wordIndex = type(uint256).max; // no nonce has it
        // Payments are written as whole words: the last one needs room for the 8 bytes it does not
        // use.
        group.payments = new bytes(count * PAYMENT_BYTES + 8);

        mapping(uint256 => uint256) storage words = _resolved[group.builder][group.prover];
        for (offset += GROUP_BYTES; offset < end; offset += RECEIPT_BYTES) {
            uint64 nonce = uint64(bytes8(_word(packed, offset)));
            if (nonce >> 8 != group.wordIndex) {
                if (group.wordIndex != type(uint256).max) words[group.wordIndex] = group.word;
                group.wordIndex = nonce >> 8;
                group.word = words[group.wordIndex];
            }
            uint8 code = _settleReceipt(packed, offset, nonce, group);
            if (code != 0) emit ReceiptRefused(group.builder, group.prover, nonce, code);
        }
        words[group.wordIndex] = group.word;

        _credit(group.prover, _draw(group.builder, group.wantedWei));
        if (group.paidCount != 0) _emitPaid(group);
    }

    /// @return code 0: paid, or resolved for nothing.
    function _settleReceipt(bytes calldata packed, uint256 offset, uint64 nonce, Group memory group)
        private
        returns (uint8 code)
    {
        uint256 wantedWei;
        uint256 bit = 1 << (nonce & 255);
        bool again = group.word & bit != 0;
        if (again) {
            // What stayed owed needs no signature: it was shown when it was resolved.
            Dues memory dues = _dues[_jobKey(group.builder, group.prover, nonce)];
            wantedWei = dues.owedWei;
            // Where somebody else's post or receipt came first, a better one still counts.
            uint256 betterWei = Math.saturatingSub(_payWei(packed, offset), dues.paidWei);
            if (dues.unasked && betterWei > wantedWei && _isReceipt(packed, offset, group)) {
                wantedWei = betterWei;
            }
            if (wantedWei == 0) return ALREADY_RESOLVED;
        } else {
            wantedWei = _payWei(packed, offset);
            if (!_isReceipt(packed, offset, group)) return BAD_SIGNATURE;
            group.word |= bit;
        }
        if (wantedWei > group.coverWei && !group.stakeCounted) {
            group.stakeCounted = true;
            group.coverWei += _stakeCoverWei(group.builder);
        }
        uint256 paidWei = Math.min(wantedWei, group.coverWei);
        group.coverWei -= paidWei;
        group.wantedWei += wantedWei;
        if (again || paidWei < wantedWei || !group.asked) {
            Dues storage dues = _dues[_jobKey(group.builder, group.prover, nonce)];
            dues.paidWei += paidWei.toUint120();
            dues.owedWei = (wantedWei - paidWei).toUint128();
            if (!again) dues.unasked = !group.asked;
        }
        if (paidWei == 0 && wantedWei != 0) return NOTHING_TO_PAY_FROM;
        _notePayment(group, nonce, paidWei);
    }

    /// @dev `nonce u64 ‖ paidWei u128`, left in its word. paidWei <= coverWei < 2^98.
    function _notePayment(Group memory group, uint64 nonce, uint256 paidWei) private pure {
        bytes memory payments = group.payments;
        uint256 offset = group.paidCount++ * PAYMENT_BYTES;
        uint256 payment = (uint256(nonce) << 192) | (paidWei << 64);
        assembly ("memory-safe") {
            mstore(add(add(payments, 0x20), offset), payment)
        }
    }

    function _emitPaid(Group memory group) private {
        bytes memory payments = group.payments;
        uint256 length = group.paidCount * PAYMENT_BYTES;
        assembly ("memory-safe") {
            mstore(payments, length)
        }
        emit Paid(group.builder, group.prover, payments);
    }

    function _payWei(bytes calldata packed, uint256 offset) private pure returns (uint128) {
        return uint128(bytes16(_word(packed, offset + 40)));
    }

    /// @dev Whether the group's builder signed the receipt: its EIP-712 digest, fields widened from
    /// packed calldata to words, under EIP-2098's r and vs.
    function _isReceipt(bytes calldata packed, uint256 offset, Group memory group)
        private
        view
        returns (bool)
    {
        Receipt memory receipt = Receipt({
            builder: group.builder,
            nonce: uint64(bytes8(_word(packed, offset))),
            requestId: _word(packed, offset + 8),
            prover: group.prover,
            payWei: _payWei(packed, offset),
            proofHash: _word(packed, offset + 56),
            deliveredAt: uint48(bytes6(_word(packed, offset + 88)))
        });
        (bytes32 r, bytes32 vs) = (_word(packed, offset + 94), _word(packed, offset + 126));
        return _isSigned(group.builder, _digest(Messages.hash(receipt)), r, vs);
    }

    /// @dev 32 bytes of `packed` from `offset`; the caller has checked the bounds.
    function _word(bytes calldata packed, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(add(packed.offset, offset))
        }
    }

    function _jobKey(address builder, address prover, uint64 nonce) private pure returns (bytes32) {
        return keccak256(abi.encode(builder, prover, nonce));
    }
}
