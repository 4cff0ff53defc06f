// What the page reads of groups.
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, must, type Organization } from '../../api/client';
import { useSession } from '../../api/session';
import { words } from '../../components/pickers';

export type Group = Organization;

export const atOnce = 200; // children of a group that are read at a time

// useChildren are the groups in a group, by and by; null for those at the top.
export function useChildren(id: string | null, enabled = true) {
  const { accountId } = useSession();
  return useInfiniteQuery({
    queryKey: ['groups', 'children', id], enabled, staleTime: 15_000,
    queryFn: async ({ signal, pageParam: page }) => (await must(api.GET('/api/v1/organizations', {
      params: { query: { accountId, page, pageSize: atOnce, sortBy: 'name', sortOrder: 'asc', filters: { parentId: id ?? 'null', count: 'children' } } }, signal,
    }))).organizations,
    initialPageParam: 1,
    getNextPageParam: (last, pages) => (pages.length * atOnce < (last.meta?.count ?? 0) ? pages.length + 1 : undefined),
  });
}

export const mostFound = 50;

// useFound are the groups that have all words of a search, the first of them.
export function useFound(typed: string) {
  const { accountId } = useSession();
  return useQuery({
    queryKey: ['groups', 'found', typed], enabled: typed.trim() !== '', placeholderData: keepPreviousData, staleTime: 15_000,
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/organizations', {
      params: { query: { accountId, q: words(typed), pageSize: mostFound, sortBy: 'name', sortOrder: 'asc', expand: 'parent' } }, signal,
    }))).organizations,
  });
}

export function useGroup(id: string | undefined) {
  return useQuery({
    queryKey: ['groups', 'one', id], enabled: id !== undefined,
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/organizations/{id}', { params: { path: { id: id! } }, signal }))).organization,
  });
}

// usePath are the groups that a group is in, from the top down.
export function usePath(group: Group | undefined) {
  return useQuery({
    queryKey: ['groups', 'path', group?.id, group?.parentId], enabled: !!group,
    queryFn: async ({ signal }) => {
      const path: Group[] = [];
      for (let id = group!.parentId; id && path.length < 20;) {
        const { organization } = await must(api.GET('/api/v1/organizations/{id}', { params: { path: { id } }, signal }));
        path.unshift(organization);
        id = organization.parentId;
      }
      return path;
    },
  });
}

export function useRefresh() {
  const client = useQueryClient();
  return () => Promise.all([client.invalidateQueries({ queryKey: ['groups'] }), client.invalidateQueries({ queryKey: ['group-names'] })]);
}

export const move = (g: Group, parentId: string | null) => must(api.PUT('/api/v1/organizations/{id}', { params: { path: { id: g.id }, header: { etag: g.version } }, body: { parentId } as never }));
