// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPayeeVerifier, IVerifier} from "../../contracts/src/interfaces/IVerifier.sol";

/// @notice Knows a proof by its hash: of the statement alone. Binds no payee, so a copy is as good.
contract PlainVerifier is IVerifier {
    function prove(bytes32 publicInputsHash) external pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode("plain", publicInputsHash)));
    }

    function verify(bytes calldata proof, bytes32 publicInputsHash) external pure returns (bool) {
        return
            keccak256(proof)
                == keccak256(abi.encode(keccak256(abi.encode("plain", publicInputsHash))));
    }
}

/// @notice Proof = payee ‖ statement ‖ keccak256(statement, payee): the payee is inside what is
/// checked, as in our Groth16 verifier, at a price a fuzz run can pay.
contract BoundVerifier is IPayeeVerifier {
    function prove(bytes32 publicInputsHash, address payee) external pure returns (bytes memory) {
        return abi.encode(payee, publicInputsHash, _tag(publicInputsHash, payee));
    }

    function verify(bytes calldata proof, bytes32 publicInputsHash) external pure returns (bool) {
        (address payee,, bytes32 tag) = abi.decode(proof, (address, bytes32, bytes32));
        return tag == _tag(publicInputsHash, payee);
    }

    function payeeOf(bytes calldata proof, bytes32 publicInputsHash)
        external
        pure
        returns (address)
    {
        (address payee, bytes32 said,) = abi.decode(proof, (address, bytes32, bytes32));
        return said == publicInputsHash ? payee : address(0);
    }

    function _tag(bytes32 publicInputsHash, address payee) private pure returns (bytes32) {
        return keccak256(abi.encode("bound", publicInputsHash, payee));
    }
}
