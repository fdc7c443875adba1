// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {IMessages} from "../../contracts/src/interfaces/IMessages.sol";
import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {Messages} from "../../contracts/src/libraries/Messages.sol";
import {Pricing} from "../../contracts/src/libraries/Pricing.sol";
import {Base} from "./Base.sol";

/// @notice The libraries' functions take calldata: somebody has to call them from outside.
contract Probe is IMessages {
    function request(ProofRequest calldata it) external pure returns (bytes32) {
        return Messages.hash(it);
    }

    function bid(Bid calldata it) external pure returns (bytes32) {
        return Messages.hash(it);
    }

    function award(Award calldata it) external pure returns (bytes32) {
        return Messages.hash(it);
    }

    function acceptance(Acceptance calldata it) external pure returns (bytes32) {
        return Messages.hash(it);
    }

    function start(Start calldata it) external pure returns (bytes32) {
        return Messages.hash(it);
    }

    function receipt(Receipt calldata it) external pure returns (bytes32) {
        return Messages.hash(it);
    }

    function digest(bytes32 domain, bytes32 structHash) external pure returns (bytes32) {
        return Messages.digest(domain, structHash);
    }

    function separator(address settlement) external view returns (bytes32) {
        return Messages.domainSeparator(settlement);
    }

    function score(ProofRequest calldata it, uint256 priceWei, uint256 readyAt)
        external
        pure
        returns (uint256)
    {
        return Pricing.score(it, priceWei, readyAt);
    }

    function pay(
        ProofRequest calldata it,
        uint256 priceWei,
        uint256 promisedAt,
        uint256 deliveredAt
    ) external pure returns (uint256) {
        return Pricing.pay(it, priceWei, promisedAt, deliveredAt);
    }
}

/// @notice The vectors TypeScript wrote: both languages give the same types, digests and amounts.
contract MessagesTest is Base, IMessages {
    Probe private immutable probe = new Probe();
    string private messages = vm.readFile("test/vectors/messages.json");
    string private money = vm.readFile("test/vectors/money.json");

    function testDomainSeparator() public {
        vm.chainId(vm.parseJsonUint(messages, ".domain.chainId"));
        address settlement = vm.parseJsonAddress(messages, ".domain.settlement");
        eq(probe.separator(settlement), vm.parseJsonBytes32(messages, ".domain.separator"));
    }

    function testProofRequest() public view {
        bytes memory encoded = same("ProofRequest", Messages.PROOF_REQUEST_TYPEHASH);
        digests("ProofRequest", probe.request(abi.decode(encoded, (ProofRequest))));
    }

    function testBid() public view {
        bytes memory encoded = same("Bid", Messages.BID_TYPEHASH);
        digests("Bid", probe.bid(abi.decode(encoded, (Bid))));
    }

    function testAward() public view {
        bytes memory encoded = same("Award", Messages.AWARD_TYPEHASH);
        digests("Award", probe.award(abi.decode(encoded, (Award))));
    }

    function testAcceptance() public view {
        bytes memory encoded = same("Acceptance", Messages.ACCEPTANCE_TYPEHASH);
        digests("Acceptance", probe.acceptance(abi.decode(encoded, (Acceptance))));
    }

    function testStart() public view {
        bytes memory encoded = same("Start", Messages.START_TYPEHASH);
        digests("Start", probe.start(abi.decode(encoded, (Start))));
    }

    function testReceipt() public view {
        bytes memory encoded = same("Receipt", Messages.RECEIPT_TYPEHASH);
        digests("Receipt", probe.receipt(abi.decode(encoded, (Receipt))));
    }

    /// A word with more bits than its type names another message than the clean one.
    function testDirtyWordGivesAnotherDigest(uint8 place, uint256 dirt) public view {
        string memory path = ".messages.ProofRequest.encoded";
        bytes memory encoded = vm.parseJsonBytes(messages, path);
        uint256 field = bound(place, 0, 23);
        vm.assume(dirt != 0);
        (, bytes memory clean) = ask(encoded);
        assembly ("memory-safe") {
            let word := add(add(encoded, 0x20), mul(field, 0x20))
            mstore(word, xor(mload(word), dirt))
        }
        (bool answered, bytes memory dirty) = ask(encoded);
        eq(!answered || keccak256(clean) != keccak256(dirty), true);
    }

    function testScores() public view {
        for (uint256 i = 0; vm.keyExistsJson(money, item(".score", i)); i++) {
            string memory path = item(".score", i);
            ProofRequest memory it = terms(path);
            uint256 score = probe.score(it, amount(path, ".priceWei"), amount(path, ".readyAt"));
            eq(score, amount(path, ".expected"));
        }
        eq(vm.keyExistsJson(money, item(".score", 0)), true);
    }

    function testPays() public view {
        for (uint256 i = 0; vm.keyExistsJson(money, item(".pay", i)); i++) {
            string memory path = item(".pay", i);
            ProofRequest memory it = terms(path);
            (uint256 promisedAt, uint256 deliveredAt) =
                (amount(path, ".promisedAt"), amount(path, ".deliveredAt"));
            uint256 payWei = probe.pay(it, amount(path, ".priceWei"), promisedAt, deliveredAt);
            eq(payWei, amount(path, ".expected"));
        }
        eq(vm.keyExistsJson(money, item(".pay", 0)), true);
    }

    function testConstants() public {
        eq(Pricing.KAPPA, vm.parseJsonUint(money, ".latenessFactor"));
        ISettlement.Windows memory w = ISettlement.Windows(768, 36, 12, 60, 3_600);
        ISettlement settlement =
            ISettlement(vm.deployCode("Settlement.sol:Settlement", abi.encode(w)));
        eq(settlement.CLAIM_GAS(), vm.parseJsonUint(money, ".claimGas"));
    }

    /// Whatever is signed, paying and scoring it does not overflow.
    function testExtremesDoNotOverflow(
        uint128 priceWei,
        uint96 rate,
        uint48 promised,
        uint48 delivered
    ) public view {
        ProofRequest memory it;
        it.latenessWeiPerMs = rate;
        it.dueAt = type(uint48).max;
        uint256 payWei = probe.pay(it, priceWei, promised, delivered);
        eq(payWei <= priceWei, true);
        eq(probe.score(it, priceWei, delivered) >= priceWei, true);
    }

    function ask(bytes memory encoded) private view returns (bool, bytes memory) {
        return address(probe).staticcall(bytes.concat(Probe.request.selector, encoded));
    }

    /// @dev Compares the type; gives the encoded struct.
    function same(string memory kind, bytes32 typeHash) private view returns (bytes memory) {
        string memory path = string.concat(".messages.", kind);
        bytes memory typeString =
            bytes(vm.parseJsonString(messages, string.concat(path, ".typeString")));
        eq(keccak256(typeString), typeHash);
        eq(vm.parseJsonBytes32(messages, string.concat(path, ".typeHash")), typeHash);
        return vm.parseJsonBytes(messages, string.concat(path, ".encoded"));
    }

    function digests(string memory kind, bytes32 structHash) private view {
        string memory path = string.concat(".messages.", kind, ".digest");
        bytes32 separator = vm.parseJsonBytes32(messages, ".domain.separator");
        eq(probe.digest(separator, structHash), vm.parseJsonBytes32(messages, path));
    }

    function terms(string memory path) private view returns (ProofRequest memory it) {
        it.latenessWeiPerMs = uint96(amount(path, ".latenessWeiPerMs"));
        it.softDueAt = uint48(amount(path, ".softDueAt"));
        it.dueAt = uint48(amount(path, ".dueAt"));
    }

    function amount(string memory path, string memory field) private view returns (uint256) {
        return vm.parseJsonUint(money, string.concat(path, field));
    }

    function item(string memory list, uint256 place) private pure returns (string memory) {
        return string.concat(list, "[", Strings.toString(place), "]");
    }
}
