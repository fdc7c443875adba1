// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITables} from "../../../contracts/src/interfaces/ITables.sol";

/// @notice A table as words, and the hash a verifier is asked about: `protocol/words.ts` written
/// once more, from memory and without thought of gas.
library Words {
    uint256 internal constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    bytes32 private constant TAG = "proofwire/table/1";

    function publicInputsHash(ITables.Table memory t, address verifier, bytes32 programId)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(TAG, words(t, verifier, programId)));
    }

    function words(ITables.Table memory t, address verifier, bytes32 programId)
        internal
        pure
        returns (bytes memory all)
    {
        all = bytes.concat(
            abi.encode(t.chainId, t.venue, t.executor, t.firstBlock, t.lastBlock),
            abi.encode(uint256(t.parentHash) >> 128, uint256(uint128(uint256(t.parentHash)))),
            abi.encode(program(verifier, programId))
        );
        for (uint256 i = 0; i < t.entries.length; i++) {
            all = bytes.concat(all, entry(t, t.entries[i]));
        }
    }

    function program(address verifier, bytes32 programId) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(verifier, programId))) >> 8;
    }

    function entry(ITables.Table memory t, ITables.Entry memory it)
        private
        pure
        returns (bytes memory)
    {
        bytes memory second = it.deltas.length == 2 ? delta(t, it.deltas[1]) : new bytes(7 * 32);
        return bytes.concat(action(it.action), action(it.next), delta(t, it.deltas[0]), second);
    }

    function action(ITables.Action memory it) private pure returns (bytes memory) {
        return bytes.concat(
            abi.encode(uint256(it.actionType) + 1, it.rollupId, it.destination, it.value),
            abi.encode(it.failed, it.sourceAddress, it.sourceRollup, it.scope),
            data(it.data)
        );
    }

    function data(bytes memory it) private pure returns (bytes memory) {
        uint256[3] memory open;
        uint256 head = it.length % 32;
        bool shown = it.length - head <= 96;
        for (uint256 i = 0; shown && i < it.length / 32; i++) {
            uint256 place = 32 + head + 32 * i;
            uint256 word;
            assembly {
                word := mload(add(it, place))
            }
            open[i] = word;
            if (word >= R) shown = false;
        }
        if (!shown) {
            uint256 hash = uint256(keccak256(it)) >> 8;
            return abi.encode(it.length, 0, 0, 0, 0, hash);
        }
        uint256 first;
        for (uint256 i = 0; i < head; i++) {
            first = (first << 8) | uint8(it[i]);
        }
        return abi.encode(it.length, first, open[0], open[1], open[2], 0);
    }

    function delta(ITables.Table memory t, ITables.StateDelta memory it)
        private
        pure
        returns (bytes memory)
    {
        uint256 word;
        for (uint256 i = 0; i < t.programs.length; i++) {
            ITables.Program memory one = t.programs[i];
            if (one.rollupId == it.rollupId) word = program(one.verifier, one.programId);
        }
        int256 wei_ = it.etherDelta;
        uint256 ether_ = wei_ < 0 ? R - uint256(-wei_) : uint256(wei_);
        return bytes.concat(
            abi.encode(it.rollupId, word, it.rootBefore, it.rootAfter),
            abi.encode(ether_, it.sent, it.received)
        );
    }
}
