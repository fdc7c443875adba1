// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {VerificationKey} from "../../contracts/src/verifiers/CircuitKeys.sol";
import {Vm} from "./Base.sol";

/// @notice Cheat codes that only these need.
interface ProofVm {
    function parseJsonUintArray(string calldata json, string calldata path)
        external
        pure
        returns (uint256[] memory);
}

/// @notice Real Groth16 proofs under development keys, from `test/vectors/`.
abstract contract SampleProof {
    address private constant CHEATS = address(uint160(uint256(keccak256("hevm cheat code"))));

    function json() internal view returns (string memory) {
        return Vm(CHEATS).readFile("test/vectors/table-proof.json");
    }

    /// @dev The tiny circuit's.
    function sampleKey() internal view returns (VerificationKey memory) {
        return keyIn(json(), ".key");
    }

    /// @dev The key at a path of a JSON text.
    function keyIn(string memory text, string memory path)
        internal
        pure
        returns (VerificationKey memory key)
    {
        key.wordCount = Vm(CHEATS).parseJsonUint(text, string.concat(path, ".wordCount"));
        uint256[] memory alpha = numbers(text, path, ".alpha");
        uint256[] memory beta = numbers(text, path, ".beta");
        uint256[] memory gamma = numbers(text, path, ".gamma");
        uint256[] memory delta = numbers(text, path, ".delta");
        uint256[] memory ic = numbers(text, path, ".ic");
        key.alpha = [alpha[0], alpha[1]];
        for (uint256 i = 0; i < 4; i++) {
            (key.beta[i], key.gamma[i], key.delta[i]) = (beta[i], gamma[i], delta[i]);
            key.ic[i] = [ic[2 * i], ic[2 * i + 1]];
        }
    }

    function numbers(string memory text, string memory path, string memory name)
        private
        pure
        returns (uint256[] memory)
    {
        return ProofVm(CHEATS).parseJsonUintArray(text, string.concat(path, name));
    }
}
