import { testTrees } from '#test/support/differential'

testTrees(1, 250)
