// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Sessions} from "./rollups/Sessions.sol";

/// @title Rollups on L1, and the tables that move them together
/// @notice Implements {IRollups}, in layers, each on the one before: `Registry` (who speaks for a
/// rollup), `Proxies` (its addresses on L1), `Queues` (entries that wait), `Posting` (how they come
/// in), `Sessions` (how a transaction consumes them). Nobody owns it.
contract Rollups is Sessions {}
