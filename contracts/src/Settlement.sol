// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Awards} from "./settlement/Awards.sol";
import {Clock} from "./settlement/Clock.sol";

/// @title Payment for proofs, and what happens when they do not come
/// @notice Implements {ISettlement}, in layers, each on the one before: `Clock` (windows), `Purse`
/// (escrow, credits) and `Signers` (whose signature is good), `Receipts` (batches), `Obligations`
/// (commitments, slashes), `Claims`, `Posts` (a table and its prover's money in one transaction),
/// `Awards` (provable lies). It deploys its own `Bonds`, so neither needs an owner.
contract Settlement is Awards {
    constructor(Windows memory windows_) Clock(windows_) {}
}
