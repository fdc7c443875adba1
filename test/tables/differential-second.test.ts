import { testTrees } from '#test/support/differential'

testTrees(251, 250)
