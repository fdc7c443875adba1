// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A contract on L1 that does what it was told beforehand whenever anybody calls it with
/// data, and remembers what it saw. Plain ether it just takes.
contract Puppet {
    /// @param swallow Whether a failure of this call is met with a shrug.
    struct Step {
        address target;
        uint256 valueWei;
        bytes data;
        bool swallow;
        bool isStatic;
    }

    struct Seen {
        address caller;
        uint256 valueWei;
        bytes data;
    }

    error Unexpected(bytes reason);

    Step[] private steps;
    bytes private answer;
    bool private fails;
    /// @dev Bytes of zeros to answer with instead.
    uint256 private hugeBytes;

    Seen[] private seen;
    bool[] private oks;
    bytes[] private answers;

    function willCall(address target, uint256 valueWei, bytes calldata data) external {
        steps.push(Step(target, valueWei, data, false, false));
    }

    function willTry(address target, uint256 valueWei, bytes calldata data) external {
        steps.push(Step(target, valueWei, data, true, false));
    }

    function willRead(address target, bytes calldata data) external {
        steps.push(Step(target, 0, data, false, true));
    }

    function forget() external {
        delete steps;
    }

    function willAnswer(bytes calldata data) external {
        answer = data;
    }

    function willFail(bytes calldata data) external {
        (answer, fails) = (data, true);
    }

    function willAnswerZeros(uint256 count) external {
        hugeBytes = count;
    }

    /// @notice How often it was called, reverted calls not counted.
    function calls() external view returns (uint256) {
        return seen.length;
    }

    function sight(uint256 nth) external view returns (Seen memory) {
        return seen[nth];
    }

    /// @notice What its `nth` call to somebody gave.
    function heard(uint256 nth) external view returns (bool ok, bytes memory data) {
        return (oks[nth], answers[nth]);
    }

    fallback() external payable {
        act();
    }

    receive() external payable {}

    function act() private {
        seen.push(Seen(msg.sender, msg.value, msg.data));
        for (uint256 i = 0; i < steps.length; i++) {
            step(steps[i]);
        }
        bytes memory data = answer;
        if (hugeBytes != 0) data = new bytes(hugeBytes);
        if (fails) {
            assembly {
                revert(add(data, 32), mload(data))
            }
        }
        assembly {
            return(add(data, 32), mload(data))
        }
    }

    function step(Step memory it) private {
        bool ok;
        bytes memory data;
        if (it.isStatic) (ok, data) = it.target.staticcall(it.data);
        else (ok, data) = it.target.call{value: it.valueWei}(it.data);
        if (!ok && !it.swallow) {
            assembly {
                revert(add(data, 32), mload(data))
            }
        }
        oks.push(ok);
        answers.push(data);
    }
}
