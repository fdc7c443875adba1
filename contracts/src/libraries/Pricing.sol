// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IMessages} from "../interfaces/IMessages.sol";

/// @title Who wins, what is paid
/// @notice The same two formulas as `protocol/money.ts`. Amounts are wei, instants milliseconds
/// since the Unix epoch. A price is below 2^128, a rate below 2^96, an instant below 2^48: nothing
/// here overflows.
library Pricing {
    /// @dev How much dearer a late delivery is than a late promise: at 10 a prover's best promise
    /// is its own 90 % quantile; at 1 or less, promises would mean nothing.
    uint256 internal constant KAPPA = 10;

    /// @return Lowest wins.
    function score(IMessages.ProofRequest calldata request, uint256 priceWei, uint256 readyAt)
        internal
        pure
        returns (uint256)
    {
        uint256 lateMs = Math.saturatingSub(readyAt, request.softDueAt);
        return priceWei + request.latenessWeiPerMs * lateMs;
    }

    /// @return Whether a bid may win at all.
    function eligible(IMessages.ProofRequest calldata request, uint256 priceWei, uint256 readyAt)
        internal
        pure
        returns (bool)
    {
        return priceWei <= request.reserveWei && readyAt <= request.dueAt;
    }

    /// @return payWei What a delivery is worth; nothing after `dueAt`.
    function pay(
        IMessages.ProofRequest calldata request,
        uint256 priceWei,
        uint256 promisedAt,
        uint256 deliveredAt
    ) internal pure returns (uint256 payWei) {
        if (deliveredAt > request.dueAt) return 0;
        uint256 lateMs = Math.saturatingSub(deliveredAt, Math.max(promisedAt, request.softDueAt));
        return Math.saturatingSub(priceWei, KAPPA * request.latenessWeiPerMs * lateMs);
    }
}
