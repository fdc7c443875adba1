// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups, ITableVenue} from "../interfaces/IRollups.sol";
import {IVerifier} from "../interfaces/IVerifier.sol";
import {TableBytes} from "../libraries/TableBytes.sol";
import {TableRules} from "../libraries/TableRules.sol";
import {Tables} from "../libraries/Tables.sol";
import {Queues} from "./Queues.sol";

/// @notice Tables come in here, each with its proofs. Nothing an entry says is left unproven.
abstract contract Posting is Queues {
    /// @dev Block a table was last posted in, by its executor or by others.
    mapping(bytes32 digest => mapping(bool own => uint256)) private _postedIn;

    /// @inheritdoc ITableVenue
    function post(bytes32 digest, bytes calldata table, TableProof[] calldata proofs) external {
        bytes32 actual = sha256(table);
        if (actual != digest) revert WrongDigest(digest, actual);
        Table memory decoded = TableBytes.decode(table);
        _requireContext(decoded);
        TableRules.check(decoded);
        _requirePrograms(decoded.programs);
        _requireProofs(decoded, proofs);
        // A copy of the transaction in the same block must neither fail nor double the entries.
        bool own = tx.origin == decoded.executor;
        if (_postedIn[digest][own] != block.number) {
            _postedIn[digest][own] = block.number;
            for (uint256 i = 0; i < decoded.entries.length; i++) {
                _push(decoded.executor, own, decoded.entries[i]);
            }
        }
        emit Recorded(digest, msg.sender);
    }

    /// @inheritdoc IRollups
    function publicInputsHash(bytes calldata table, address verifier, bytes32 programId)
        external
        pure
        returns (bytes32)
    {
        Table memory decoded = TableBytes.decode(table);
        TableRules.check(decoded);
        return Tables.publicInputsHash(Tables.words(decoded), verifier, programId);
    }

    /// @dev The table is for this chain, this registry, this block.
    function _requireContext(Table memory table) private view {
        if (table.chainId != block.chainid || table.venue != address(this)) {
            revert WrongContext(table.chainId, table.venue);
        }
        if (block.number < table.firstBlock || block.number > table.lastBlock) {
            revert WrongBlock(table.firstBlock, table.lastBlock, block.number);
        }
        bytes32 parent = blockhash(block.number - 1);
        if (table.parentHash != 0 && table.parentHash != parent) {
            revert WrongParent(table.parentHash, parent);
        }
    }

    /// @dev Each rollup's program is the one that speaks for it now.
    function _requirePrograms(Program[] memory programs) private view {
        for (uint256 i = 0; i < programs.length; i++) {
            Program memory program = programs[i];
            _requireKnown(program.rollupId);
            Rollup storage rollup = _rollups[program.rollupId];
            if (program.verifier != rollup.verifier || program.programId != rollup.programId) {
                revert WrongProgram(program.rollupId, program.verifier, program.programId);
            }
        }
    }

    /// @dev One proof for each distinct program, in the order the table first names them.
    function _requireProofs(Table memory table, TableProof[] calldata proofs) private view {
        bytes memory words = Tables.words(table);
        Program[] memory programs = table.programs;
        uint256 count = 0;
        for (uint256 i = 0; i < programs.length; i++) {
            Program memory program = programs[i];
            if (_isNamed(program, programs, i)) continue;
            if (count == proofs.length) revert WrongProof(count);
            TableProof calldata given = proofs[count];
            bytes32 kd = Tables.publicInputsHash(words, program.verifier, program.programId);
            bool matches = given.verifier == program.verifier
                && given.programId == program.programId && given.publicInputsHash == kd;
            if (!matches) revert WrongProof(count);
            if (!_verifies(given)) revert ProofInvalid(program.verifier);
            count++;
        }
        if (count != proofs.length) revert WrongProof(count);
    }

    /// @dev Whether one of the first `count` programs is the same program.
    function _isNamed(Program memory program, Program[] memory programs, uint256 count)
        private
        pure
        returns (bool)
    {
        for (uint256 i = 0; i < count; i++) {
            if (
                programs[i].programId == program.programId
                    && programs[i].verifier == program.verifier
            ) return true;
        }
        return false;
    }

    /// @dev Yes is one word, one. A verifier is its rollup's choice: nothing longer is copied.
    function _verifies(TableProof calldata given) private view returns (bool valid) {
        address verifier = given.verifier;
        bytes memory question =
            abi.encodeCall(IVerifier.verify, (given.proof, given.publicInputsHash));
        assembly ("memory-safe") {
            valid := staticcall(gas(), verifier, add(question, 0x20), mload(question), 0, 0x20)
            valid := and(and(valid, eq(returndatasize(), 0x20)), eq(mload(0), 1))
        }
    }
}
